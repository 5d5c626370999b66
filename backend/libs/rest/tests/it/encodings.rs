//! Content encodings, sizes, slow bodies and other origins.

use std::io::{Read, Write};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, NOVA, call};

const JSON: (&str, &str) = ("content-type", "application/json");
const MESSAGES: &str = "/api/v1/conversations/c/messages";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn small() -> Fake {
    let limits = rest::Limits { body_bytes: 64 * 1024, body_time: Duration::from_millis(50) };
    Fake::with(&NOVA, &["nova.messaging.v1.MessagingService"], limits)
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let nova = small();
    let body = json!({ "content": "hello" }).to_string();
    for (encoding, bytes) in
        [("gzip", gzip(body.as_bytes())), ("zstd", zstd(body.as_bytes())), ("identity", body.clone().into_bytes())]
    {
        nova.send(Method::POST, MESSAGES, &[JSON, ("content-encoding", encoding)], bytes).await.ok();
        assert_eq!(nova.request()["content"], "hello", "{encoding}");
    }
}

#[tokio::test]
async fn a_bomb_is_refused_once_it_is_larger_than_a_body_may_be() {
    let nova = small();
    let zeros = vec![b' '; 256 * 1024 * 1024];
    for (encoding, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        let size = bomb.len();
        assert!(size < 512 * 1024, "{encoding}: {size}");
        let begun = std::time::Instant::now();
        let answer = nova.send(Method::POST, MESSAGES, &[JSON, ("content-encoding", encoding)], bomb).await;
        answer.problem(413, "MESSAGE_TOO_LARGE");
        assert!(begun.elapsed() < Duration::from_secs(2), "it was not read to its end");
    }
    assert!(nova.seen().is_empty());
}

#[tokio::test]
async fn encodings_that_are_unknown_or_untrue_are_refused() {
    let nova = small();
    for encoding in ["br", "deflate", "compress", "gzip, zstd", ""] {
        let answer = nova.send(Method::POST, MESSAGES, &[JSON, ("content-encoding", encoding)], "{}").await;
        answer.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let truncated = gzip(b"{\"content\":\"hello\"}");
    for (encoding, bytes) in [("gzip", b"{}".to_vec()), ("zstd", b"{}".to_vec()), ("gzip", truncated[..20].to_vec())] {
        let answer = nova.send(Method::POST, MESSAGES, &[JSON, ("content-encoding", encoding)], bytes).await;
        assert_eq!(answer.refused_fields(), ["body"], "{encoding}");
    }
}

#[tokio::test]
async fn a_body_is_bounded_in_size_and_time() {
    let nova = small();
    let fits = json!({ "content": "x".repeat(60 * 1024) }).to_string();
    nova.send(Method::POST, MESSAGES, &[JSON], fits).await.ok();
    let large = json!({ "content": "x".repeat(64 * 1024) }).to_string();
    nova.send(Method::POST, MESSAGES, &[JSON], large).await.problem(413, "MESSAGE_TOO_LARGE");
    let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    nova.send(Method::POST, MESSAGES, &[JSON], never).await.problem(408, "DEADLINE_EXCEEDED");
    let broken = futures::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))]);
    let answer = nova.send(Method::POST, MESSAGES, &[JSON], Body::from_stream(broken)).await;
    assert_eq!(answer.refused_fields(), ["body"]);
}

#[tokio::test]
async fn large_answers_are_compressed_as_asked_and_small_ones_are_not() {
    let nova = small();
    let unpack = |answer: &Answer| -> Value {
        let mut text = vec![];
        match answer.header("content-encoding") {
            "gzip" => flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut text).map(drop).unwrap(),
            "zstd" => text = zstd::decode_all(&*answer.body).unwrap(),
            other => panic!("{other}"),
        }
        serde_json::from_slice(&text).unwrap()
    };
    nova.replies(json!({ "message": { "content": "lion ".repeat(1000) } }));
    for encoding in ["gzip", "zstd"] {
        let answer = nova.send(Method::GET, "/api/v1/messages/m", &[("accept-encoding", encoding)], "").await;
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (encoding, "accept-encoding"));
        assert!(answer.body.len() < 500);
        assert_eq!(unpack(&answer)["message"]["content"].as_str().unwrap().len(), 5000);
    }
    for other in ["identity", "br"] {
        let answer = nova.send(Method::GET, "/api/v1/messages/m", &[("accept-encoding", other)], "").await;
        assert_eq!(answer.ok()["message"]["content"].as_str().unwrap().len(), 5000);
    }
    nova.replies(json!({ "message": { "content": "lion" } }));
    nova.send(Method::GET, "/api/v1/messages/m", &[("accept-encoding", "gzip")], "").await.ok();
}

fn open_to(origins: &[&str]) -> Router {
    let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
    let app = Fake::nova().app;
    match rest::Origins::parse(&origins).expect("origins") {
        Some(origins) => rest::cors(app, origins),
        None => app,
    }
}

async fn preflight(app: Router, origin: &str) -> Answer {
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("/api/v1/users/me")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,if-match")
        .body(Body::empty());
    call(app, request.unwrap()).await
}

#[tokio::test]
async fn other_origins_may_call_where_the_configuration_says_so() {
    const OURS: &str = "https://app.example.org";
    let closed = preflight(open_to(&[]), OURS).await;
    closed.problem(405, "METHOD_NOT_ALLOWED");
    assert_eq!(closed.header("access-control-allow-origin"), "");

    let app = open_to(&[OURS, "http://localhost:3000"]);
    let answer = preflight(app.clone(), OURS).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, OURS));
    assert!(answer.header("access-control-allow-methods").contains("PATCH"));
    for header in ["if-match", "last-event-id"] {
        assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), "", "no cookies");
    assert_eq!(preflight(app.clone(), "https://evil.example.org").await.header("access-control-allow-origin"), "");

    let request = Request::get("/api/v1/users/me").header("origin", OURS).body(Body::empty()).unwrap();
    let answer = call(app, request).await;
    assert_eq!(answer.header("access-control-allow-origin"), OURS);
    assert!(answer.header("access-control-expose-headers").contains("etag"));
    assert_eq!(preflight(open_to(&["*"]), "https://any.example.org").await.header("access-control-allow-origin"), "*");
}

#[test]
fn what_is_no_origin_is_refused() {
    for bad in ["app.example.org", "https://", "https://a.example/path", "https://a.example/", "", "null", "ftp//x"] {
        assert!(rest::Origins::parse(&[bad.to_owned()]).is_err(), "{bad}");
    }
    assert!(rest::Origins::parse(&["*".to_owned(), "https://a.example".to_owned()]).is_err());
}
