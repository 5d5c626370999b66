//! Limits as calls meet them, whatever they come over: gRPC, gRPC-Web, REST, Server-Sent Events, WebSockets.

use std::net::SocketAddr;
use std::sync::Arc;

use ::limits::{Class, Classes, Limiter, Rate};
use axum::body::Body;
use chassis::config::{Listen, ProxyHeader};
use chassis::{Running, Service};
use clock::Clock;
use futures::FutureExt;
use http::header::{CONTENT_TYPE, FORWARDED, RETRY_AFTER};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use testkit::assert_reason;
use tonic::service::Routes;
use tonic::{Code, Status};

use crate::source::{ACCESS, SERVICE, World};

const RATES: ::limits::RateTable = &[("StreamEvents", "stream"), ("GetMessage", "calls")];

/// Two calls from an address, three of a person, and one stream, until time goes by.
async fn start(world: &World, clock: Clock, listen: Listen) -> Running {
    let classes = Classes {
        calls: Class::new("calls").per_person(Rate::per_minute(3)).per_address(Rate::per_minute(2)),
        special: vec![Class::new("stream").per_person(Rate::per_minute(1))],
    };
    let service = Service {
        name: "messaging",
        grpc_name: SERVICE,
        domain: "messaging.nova",
        access: ACCESS,
        verifier: world.verifier.clone(),
        limiter: Arc::new(Limiter::new(SERVICE, RATES, &classes, 1_000, clock).expect("classes")),
        grpc: Routes::from(world.routes.clone()),
        http: axum::Router::new(),
        ready_after: async {}.boxed(),
        tracer: Default::default(),
        record_metrics: Arc::new(|| {}),
    };
    service.start(&listen, &world.life).await.expect("ports are free")
}

fn behind_a_proxy() -> Listen {
    Listen { trusted_proxies: vec!["127.0.0.1".to_owned()], ..Listen::on(0, 0) }
}

struct Answer {
    status: StatusCode,
    retry_after: Option<String>,
    body: Vec<u8>,
    grpc: Option<Status>,
}

/// What the answer begins with: a stream is not waited for.
async fn ask(request: http::request::Builder, token: &str, body: impl Into<Body>) -> Answer {
    let request = request.header("authorization", format!("Bearer {token}")).body(body.into()).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.expect("an answer").into_parts();
    let retry_after = parts.headers.get(RETRY_AFTER).map(|value| value.to_str().expect("a number").to_owned());
    let body =
        if parts.status.is_success() { vec![] } else { body.collect().await.expect("whole").to_bytes().to_vec() };
    Answer { status: parts.status, retry_after, body, grpc: Status::from_header_map(&parts.headers) }
}

/// A unary call over REST. What the service says is no gRPC message, which is a fault of the test's service alone.
async fn rest(port: SocketAddr, token: &str, header: (http::HeaderName, &str)) -> Answer {
    let id = "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a";
    let request = Request::get(format!("http://{port}/api/v1/messages/{id}")).header(header.0, header.1);
    ask(request, token, "").await
}

fn forwarded_for(address: &str) -> (http::HeaderName, &str) {
    (http::HeaderName::from_static("x-forwarded-for"), address)
}

fn is_limited(answer: &Answer) -> bool {
    answer.status == StatusCode::TOO_MANY_REQUESTS
}

#[tokio::test]
async fn rest_is_limited_by_the_address_and_told_how_long_to_wait() {
    let world = World::new();
    let (clock, hands) = testkit::mock_clock();
    let running = start(&world, clock, behind_a_proxy()).await;
    let call = async |address: &str| rest(running.http, &world.person(), forwarded_for(address)).await;
    for _ in 0..2 {
        assert!(!is_limited(&call("192.0.2.1").await));
    }
    let limited = call("192.0.2.1").await;
    assert!(is_limited(&limited), "{}", limited.status);
    assert_eq!(limited.retry_after.as_deref(), Some("30"));
    let problem: Value = serde_json::from_slice(&limited.body).expect("a problem document");
    let told = (&problem["reason"], &problem["metadata"]["limit"], &problem["metadata"]["scope"]);
    assert_eq!(told, (&"RATE_LIMITED".into(), &"calls".into(), &"address".into()), "{problem}");
    assert!(!is_limited(&call("192.0.2.2").await), "another address");
    hands.advance(std::time::Duration::from_secs(30));
    assert!(!is_limited(&call("192.0.2.1").await), "who waited as told is answered");
    assert!(is_limited(&call("192.0.2.1").await));
}

#[tokio::test]
async fn a_person_is_limited_wherever_they_call_from_and_by_whatever_protocol() {
    let world = World::new();
    let running = start(&world, testkit::mock_clock().0, behind_a_proxy()).await;
    let token = world.person();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert!(!is_limited(&rest(running.http, &token, forwarded_for(address)).await));
    }
    for port in [running.http, running.grpc] {
        for kind in ["application/grpc-web+proto", "application/grpc"] {
            let request = Request::post(format!("http://{port}/{SERVICE}/GetMessage"))
                .header(CONTENT_TYPE, kind)
                .header("x-forwarded-for", "192.0.2.4");
            let status = ask(request, &token, vec![0; 5]).await.grpc.expect("refused in the headers");
            assert_reason(&status, Code::ResourceExhausted, "RATE_LIMITED");
        }
    }
}

#[tokio::test]
async fn a_stream_is_limited_where_it_begins() {
    let world = World::new();
    let running = start(&world, testkit::mock_clock().0, behind_a_proxy()).await;
    let token = world.person();
    let events = async |address: &str| {
        let request = Request::get(format!("http://{}/api/v1/events", running.http)).header("x-forwarded-for", address);
        ask(request, &token, "").await
    };
    let first = tokio::spawn({
        let request =
            Request::get(format!("http://{}/api/v1/events", running.http)).header("x-forwarded-for", "192.0.2.1");
        let token = token.clone();
        async move { ask(request, &token, "").await.status }
    });
    let source = world.source().await;
    source.event("1").await;
    assert_eq!(first.await.expect("no panic"), StatusCode::OK);
    let limited = events("192.0.2.2").await;
    assert!(is_limited(&limited), "{}", limited.status);
    assert_eq!(limited.retry_after.as_deref(), Some("60"));

    let request = format!("ws://{}/api/v1/ws", running.http).parse().expect("an address");
    let request = tokio_tungstenite::tungstenite::client::ClientRequestBuilder::new(request)
        .with_sub_protocol("nova.v1")
        .with_sub_protocol(format!("nova.bearer.{token}"))
        .with_header("x-forwarded-for", "192.0.2.3");
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("an upgrade");
    let last = futures::StreamExt::next(&mut socket).await.expect("a frame").expect("whole");
    let problem: Value = serde_json::from_str(last.to_text().expect("text")).expect("JSON");
    assert_eq!(problem["problem"]["reason"], "RATE_LIMITED", "{problem}");
}

#[tokio::test]
async fn what_strangers_say_of_their_address_changes_nothing() {
    for listen in [
        Listen::on(0, 0),
        Listen { trusted_proxies: vec!["192.0.2.0/24".to_owned()], ..Listen::on(0, 0) },
        Listen { proxy_header: ProxyHeader::Forwarded, ..behind_a_proxy() },
    ] {
        let world = World::new();
        let running = start(&world, testkit::mock_clock().0, listen).await;
        for n in 0..5 {
            let address = format!("198.51.100.{n}");
            let answer = rest(running.http, &world.person(), forwarded_for(&address)).await;
            assert_eq!(is_limited(&answer), n >= 2, "call {n}");
        }
    }
}

#[tokio::test]
async fn the_header_of_rfc_7239_counts_where_it_is_chosen() {
    let world = World::new();
    let listen = Listen { proxy_header: ProxyHeader::Forwarded, ..behind_a_proxy() };
    let running = start(&world, testkit::mock_clock().0, listen).await;
    for n in 0..5 {
        let address = format!("for=\"[2001:db8:0:{n}::1]:4711\";proto=https");
        assert!(!is_limited(&rest(running.http, &world.person(), (FORWARDED, &address)).await));
    }
    for n in 0..3 {
        let address = format!("for=\"[2001:db8:1::{n}]\"");
        let answer = rest(running.http, &world.person(), (FORWARDED, &address)).await;
        assert_eq!(is_limited(&answer), n == 2, "a network is one");
    }
}

#[tokio::test]
async fn bad_tokens_cost_their_sender_the_address() {
    let world = World::new();
    let running = start(&world, testkit::mock_clock().0, behind_a_proxy()).await;
    for n in 0..4 {
        let answer = rest(running.http, "no.such.token", forwarded_for("192.0.2.1")).await;
        let expected = if n < 2 { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(answer.status, expected, "call {n}");
    }
}

#[tokio::test]
async fn services_are_counted_but_not_limited() {
    let world = World::new();
    let running = start(&world, testkit::mock_clock().0, behind_a_proxy()).await;
    let service = world.tokens.service("user");
    for _ in 0..20 {
        assert!(!is_limited(&rest(running.http, &service, forwarded_for("192.0.2.1")).await));
    }
    assert!(is_limited_after(&world, running.http).await);
    let text = chassis::telemetry::metrics().render();
    for (name, labels) in [
        ("nova_rpc_service_calls_total", "method=\"GetMessage\""),
        ("nova_rate_limited_total", "scope=\"address\""),
        ("nova_rate_limiter_keys", SERVICE),
    ] {
        let found = text.lines().any(|line| line.starts_with(name) && line.contains(labels));
        assert!(found, "{name} with {labels} is not among the metrics");
    }
}

/// Whether a person is refused at the third call from one address.
async fn is_limited_after(world: &World, port: SocketAddr) -> bool {
    let mut last = false;
    for _ in 0..3 {
        last = is_limited(&rest(port, &world.person(), forwarded_for("192.0.2.9")).await);
    }
    last
}
