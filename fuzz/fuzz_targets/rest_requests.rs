//! REST: no request meets a panic or a fault of the server, and what is accepted is, written as plainly as can be, accepted again
//! as the same call.
//!
//! The input is a request as it would stand on the wire: a line with verb and address, lines of headers, an empty line, the body.

#![no_main]

use axum::body::Body;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use libfuzzer_sys::{Corpus, fuzz_target};
use nova_fuzz::{Remembering, Seen, block_on, plain};

thread_local! {
    static WORLD: Remembering = Remembering::new();
}

fn request(input: &[u8]) -> Option<Request<Body>> {
    let split = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = split.map_or((input, &[][..]), |at| (&input[..at], &input[at + 2..]));
    let mut lines = head.split(|&byte| byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (verb, address) = first.split_once(' ')?;
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::from_bytes(verb.as_bytes()).ok()?;
    *request.uri_mut() = address.parse().ok().filter(|uri: &http::Uri| uri.path().starts_with('/'))?;
    for line in lines.filter(|line| !line.is_empty()) {
        let at = line.iter().position(|&byte| byte == b':')?;
        let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(HeaderName::from_bytes(&line[..at]).ok()?, value);
    }
    // What a server puts in for who wants to upgrade.
    let upgrade = hyper::upgrade::on(&mut request);
    request.extensions_mut().insert(upgrade);
    Some(request)
}

fn is_grpc_web(kind: &[u8]) -> bool {
    let kind = kind.strip_suffix(b"+proto").unwrap_or(kind);
    kind == b"application/grpc-web" || kind == b"application/grpc-web-text"
}

fn check(answer: &Response<Bytes>, is_head: bool) {
    let kind = answer.headers().get("content-type").map_or(&b""[..], HeaderValue::as_bytes);
    let is_problem = kind == b"application/problem+json";
    assert!(!answer.status().is_server_error(), "{answer:?}");
    assert!(answer.headers().contains_key("x-content-type-options"), "{answer:?}");
    if answer.headers().contains_key("content-encoding") || is_head {
        return;
    }
    match answer.status() {
        // To who speaks gRPC where there is no RPC.
        StatusCode::OK if answer.headers().contains_key("grpc-status") => {
            assert!(
                [&b"application/grpc"[..], b"application/grpc+proto"].contains(&kind) || is_grpc_web(kind),
                "{answer:?}"
            );
        }
        StatusCode::OK if kind == b"text/event-stream" => {}
        StatusCode::OK => drop(serde_json::from_slice::<serde_json::Value>(answer.body()).expect("JSON")),
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::NOT_MODIFIED => {}
        status => {
            assert!(is_problem && status.is_client_error(), "{answer:?}");
            drop(serde_json::from_slice::<serde_json::Value>(answer.body()).expect("JSON"));
        }
    }
}

fn same_again(world: &Remembering, seen: &Seen) {
    for request in plain::requests(world.pool(), seen) {
        let shown = format!("{request:?}");
        let (answer, again) = block_on(world.ask(request));
        let again =
            again.unwrap_or_else(|| panic!("{shown} was refused: {answer:?}, but {:?} had been made", seen.request));
        assert_eq!(again.rpc, seen.rpc, "{shown}");
        assert_eq!(again.request, seen.request, "{shown}");
    }
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(request) = request(input) else { return Corpus::Reject };
    let is_head = request.method() == Method::HEAD;
    let token = request.headers().get(AUTHORIZATION).cloned();
    let protocols: Vec<_> = request.headers().get_all("sec-websocket-protocol").iter().cloned().collect();
    WORLD.with(|world| {
        let (answer, seen) = block_on(world.ask(request));
        check(&answer, is_head);
        let Some(seen) = seen else { return };
        match (seen.headers.get(AUTHORIZATION), token) {
            (passed, Some(token)) => assert_eq!(passed, Some(&token), "the caller's token is passed on, and no other"),
            (None, None) => {}
            (Some(passed), None) => {
                let token = passed.as_bytes().strip_prefix(b"Bearer ").expect("a bearer token");
                let offered = protocols.iter().any(|line| {
                    let mut offered = line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                    offered.any(|protocol| protocol.strip_prefix(b"nova.bearer.") == Some(token))
                });
                assert!(offered, "{passed:?} is no token that was given");
            }
        }
        same_again(world, &seen);
    });
    Corpus::Keep
});
