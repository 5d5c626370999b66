//! The guard that every call passes.

mod age;
mod connections;
mod drain;
mod limits;
mod ops;
mod plaintext;
mod ports;
mod source;
mod streams;
mod tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ::limits::Limiter;
use authn::{Access, Caller};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::post;
use chassis::config::Listen;
use chassis::{Guard, GuardLayer, Lifecycle};
use clock::Clock;
use errors::ErrorDetailsOf;
use futures::{StreamExt, stream};
use ids::UserId;
use testkit::{Tokens, check_status};
use tokio::sync::Notify;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt};

const SERVICE: &str = "nova.user.v1.UserService";
const ACCESS: &[(&str, Access)] = &[
    ("Hello", Access::Caller),
    ("Open", Access::Public),
    ("Admin", Access::Admin),
    ("Internal", Access::Service),
    ("Hang", Access::Caller),
    ("Panic", Access::Caller),
    ("Tries", Access::Public),
];

struct World {
    guard: Guard<Router>,
    tokens: Tokens,
    hanging: Arc<Notify>,
}

impl World {
    fn new(listen: &Listen) -> Self {
        let tokens = Tokens::new(Clock::system());
        let hanging = Arc::new(Notify::new());
        let who = |request: Request| async move {
            let caller = request.extensions().get::<Caller>().cloned();
            caller.and_then(|c| c.user_id()).map(|id| id.to_string()).unwrap_or_default()
        };
        let hang = {
            let hanging = Arc::clone(&hanging);
            move || async move {
                hanging.notify_one();
                std::future::pending::<()>().await;
            }
        };
        let at = |method: &str| format!("/{SERVICE}/{method}");
        let routes = Router::new()
            .route(&at("Hello"), post(who))
            .route(&at("Open"), post(who))
            .route(&at("Admin"), post(who))
            .route(&at("Internal"), post(who))
            .route(&at("Hang"), post(hang))
            .route(&at("Panic"), post(panics))
            .route(&at("Tries"), post(tries));
        let life = Lifecycle::new(Clock::system());
        let limiter = Arc::new(Limiter::off());
        let layer = GuardLayer::new(SERVICE, "user.nova", ACCESS, tokens.verifier(), limiter, listen, &life);
        Self { guard: layer.layer(routes), tokens, hanging }
    }

    fn person(&self) -> String {
        self.tokens.person(UserId::generate(Clock::system().now()))
    }

    /// Calls, and reads the status as a client does.
    async fn call(&self, method: &str, token: Option<&str>, body: Body) -> Result<Bytes, Status> {
        self.call_with(method, token, body, &[]).await
    }

    async fn call_with(
        &self,
        method: &str,
        token: Option<&str>,
        body: Body,
        headers: &[(&str, &str)],
    ) -> Result<Bytes, Status> {
        let mut request = Request::post(format!("/{SERVICE}/{method}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let Ok(response) = self.guard.clone().oneshot(request.body(body).expect("a request")).await;
        assert!(response.headers().contains_key("x-request-id"), "every answer names its request");
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != Code::Ok => {
                check_status(&status);
                Err(status)
            }
            _ => Ok(axum::body::to_bytes(response.into_body(), 1024).await.expect("a body")),
        }
    }

    async fn refused(&self, method: &str, token: Option<&str>) -> (Code, String) {
        let status = self.call(method, token, Body::empty()).await.expect_err("refused");
        (status.code(), status.reason().expect("a reason"))
    }
}

async fn panics() -> String {
    panic!("secret /home/of/nova")
}

/// What calls made on behalf of this one know of it.
async fn tries() -> &'static str {
    if rpc::current().expect("the guard says it").is_retry { "again" } else { "first" }
}

fn small() -> Listen {
    Listen { max_calls_in_flight: 1, max_request_bytes: 64 * 1024, ..Listen::default() }
}

/// A request whose client has sent its headers and nothing more.
fn unfinished() -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())
}

#[tokio::test]
async fn who_calls_is_known_before_the_handler() {
    let world = World::new(&Listen::default());
    let user = UserId::generate(Clock::system().now());
    let (person, admin) = (world.tokens.person(user), world.tokens.admin(user));
    let service = world.tokens.service("messaging");
    let old = authn::Claims { exp: Clock::system().now().timestamp() - 1, ..world.tokens.claims(user, &[]) };
    let old = world.tokens.sign(&old);
    assert_eq!(world.call("Hello", Some(&person), Body::empty()).await.expect("answered"), user.to_string());

    let unauthenticated = |reason: &str| (Code::Unauthenticated, reason.to_owned());
    let denied = (Code::PermissionDenied, "PERMISSION_DENIED".to_owned());
    assert_eq!(world.refused("Hello", None).await, unauthenticated("UNAUTHENTICATED"));
    assert_eq!(world.refused("Hello", Some("x.y.z")).await, unauthenticated("UNAUTHENTICATED"));
    assert_eq!(world.refused("Hello", Some(&"x".repeat(20_000))).await, unauthenticated("UNAUTHENTICATED"));
    assert_eq!(world.refused("Hello", Some(&old)).await, unauthenticated("TOKEN_EXPIRED"));
    assert_eq!(world.refused("Admin", Some(&person)).await, denied);
    assert_eq!(world.refused("Admin", Some(&service)).await, denied);
    assert_eq!(world.refused("Internal", Some(&admin)).await, denied);
    world.call("Admin", Some(&admin), Body::empty()).await.expect("an administrator");
    world.call("Internal", Some(&service), Body::empty()).await.expect("a service");

    for token in [None, Some(old.as_str()), Some("x.y.z")] {
        assert_eq!(world.call("Open", token, Body::empty()).await.expect("open to all"), "", "as nobody");
    }
    assert_eq!(world.refused("Missing", Some(&person)).await, (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
}

#[tokio::test]
async fn a_client_that_sends_slowly_takes_no_slot_from_others() {
    let world = World::new(&small());
    let person = world.person();
    let slow = stream::iter(0..50).map(|_| world.call("Open", None, unfinished())).buffer_unordered(50);
    tokio::select! {
        biased;
        _ = slow.collect::<Vec<_>>() => panic!("they never end"),
        answer = world.call("Hello", Some(&person), Body::empty()) => drop(answer.expect("there is a slot")),
    }
}

#[tokio::test]
async fn calls_beyond_the_bound_are_refused_but_not_those_of_services() {
    let world = World::new(&small());
    let (person, service) = (world.person(), world.tokens.service("messaging"));
    let checks = async {
        world.hanging.notified().await;
        let status = world.call("Hello", Some(&person), Body::empty()).await.expect_err("full");
        assert_eq!((status.code(), status.reason().as_deref()), (Code::ResourceExhausted, Some("OVERLOADED")));
        world.call("Internal", Some(&service), Body::empty()).await.expect("services have slots of their own");
    };
    tokio::select! {
        _ = world.call("Hang", Some(&person), Body::empty()) => panic!("it hangs"),
        () = checks => {}
    }
    world.call("Hello", Some(&person), Body::empty()).await.expect("the slot of a client that left is free");
}

#[tokio::test]
async fn requests_have_a_largest_size() {
    let world = World::new(&small());
    let person = world.person();
    let fits = Body::from(vec![0; 64 * 1024 + 5]);
    world.call("Hello", Some(&person), fits).await.expect("it fits");
    let status = world.call("Hello", Some(&person), Body::from(vec![0; 64 * 1024 + 6])).await.expect_err("too large");
    assert_eq!((status.code(), status.reason().as_deref()), (Code::InvalidArgument, Some("MESSAGE_TOO_LARGE")));
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_a_panic_tells_nothing() {
    let world = World::new(&Listen { request_timeout: Duration::from_millis(200), ..Listen::default() });
    let person = world.person();
    for headers in [&[("grpc-timeout", "20m")][..], &[]] {
        let status = world.call_with("Hang", Some(&person), Body::empty(), headers).await.expect_err("too late");
        assert_eq!((status.code(), status.reason().as_deref()), (Code::DeadlineExceeded, Some("DEADLINE_EXCEEDED")));
    }
    let status = world.call("Panic", Some(&person), Body::empty()).await.expect_err("it panics");
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal fault"));
}

#[tokio::test]
async fn a_call_that_was_made_before_is_known_as_such() {
    let world = World::new(&Listen::default());
    let again = [("grpc-previous-rpc-attempts", "1")];
    for (headers, told) in [(&again[..], "again"), (&[], "first")] {
        assert_eq!(world.call_with("Tries", None, Body::empty(), headers).await.expect("open to all"), told);
    }
}
