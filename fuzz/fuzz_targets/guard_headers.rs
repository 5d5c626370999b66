//! The headers that the guard reads before a call: token, deadline, request id, trace.
//!
//! The input is lines of `name: value`.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use authn::Access;
use axum::Router;
use axum::body::Body;
use axum::routing::post;
use chassis::config::Listen;
use chassis::{GuardLayer, Lifecycle};
use chrono::DateTime;
use clock::Clock;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use libfuzzer_sys::{Corpus, fuzz_target};
use limits::Limiter;
use nova_fuzz::{block_on, enter};
use testkit::Tokens;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt};

const SERVICE: &str = "nova.user.v1.UserService";

thread_local! {
    static WORLD: (chassis::Guard<Router>, Lifecycle) = world();
}

/// An RPC that tells how long it may take.
async fn remaining() -> Response<Body> {
    let call = rpc::current().expect("the guard says what it knows of the call");
    let trace = traces::current();
    assert!(trace.context.is_none_or(|context| traces::TraceContext::parse(&context.to_string()) == Some(context)));
    assert!(trace.state.is_none_or(|state| state.as_str().len() <= 512 && state.as_str().is_ascii()));
    let mut response = Status::new(Code::Ok, "").into_http::<Body>();
    let left = u64::try_from(call.remaining().as_nanos()).expect("it is bounded");
    response.headers_mut().insert("x-left", HeaderValue::from(left));
    response
}

fn world() -> (chassis::Guard<Router>, Lifecycle) {
    let _here = enter();
    let (clock, _hands) = Clock::mock(DateTime::from_timestamp(1_790_000_000, 0).expect("a time"));
    let life = Lifecycle::new(clock.clone());
    let routes = Router::new().route(&format!("/{SERVICE}/SearchUsers"), post(remaining));
    let (verifier, limiter) = (Tokens::new(clock).verifier(), Arc::new(Limiter::off()));
    let table = &[("SearchUsers", Access::Public)];
    let guard = GuardLayer::new(SERVICE, "user.nova", table, verifier, limiter, &Listen::default(), &life);
    (guard.layer(routes), life)
}

/// What the specification of gRPC says of a deadline.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let digits = text.get(..text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = match text.chars().last()? {
        'H' => 3_600_000_000_000,
        'M' => 60_000_000_000,
        'S' => 1_000_000_000,
        'm' => 1_000_000,
        'u' => 1_000,
        'n' => 1,
        _ => return None,
    };
    let nanos = digits.parse::<u128>().ok()? * nanos;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let mut request = Request::post(format!("/{SERVICE}/SearchUsers")).body(Body::empty()).expect("a request");
    for line in input.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(at) = line.iter().position(|&byte| byte == b':') else { return Corpus::Reject };
        let name = HeaderName::from_bytes(&line[..at]);
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[at + 1..].trim_ascii())) else {
            return Corpus::Reject;
        };
        request.headers_mut().append(name, value);
    }
    let given = request.headers().clone();
    let guard = WORLD.with(|(guard, _)| guard.clone());
    let Ok(response) = block_on(guard.oneshot(request));
    let id = response.headers()["x-request-id"].to_str().expect("text");
    assert!(
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
        "{id:?}"
    );
    let most = Listen::default().request_timeout;
    let asked = deadline(&given).map_or(most, |asked| asked.min(most));
    match response.headers().get("x-left") {
        Some(left) => {
            let left = Duration::from_nanos(left.to_str().ok().and_then(|left| left.parse().ok()).expect("a number"));
            assert!(left <= asked, "{left:?} of {asked:?}");
        }
        None => {
            let status = Status::from_header_map(response.headers()).expect("a status");
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
            // Nothing takes long here, so only a deadline that was over at once is exceeded.
            assert!(asked < Duration::from_millis(5), "{asked:?}");
        }
    }
    Corpus::Keep
});
