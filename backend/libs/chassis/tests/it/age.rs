//! Connections that have become old.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chassis::config::Listen;
use http::{Request, Response};
use protos::messaging::v1::StreamEventsRequest;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use rpc::{Bounds, Dial, Peer};
use testkit::{As, assert_reason, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tonic::Code;
use tonic::body::Body;
use tonic_types::StatusExt;
use tower::ServiceExt;

use crate::source::{SERVICE, World};
use crate::tls::start;

const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that became old on a port, in all tests of this process.
fn retired(port: &str) -> u64 {
    let line = format!("nova_connections_retired_total{{port=\"messaging-{port}\"}} ");
    let text = chassis::telemetry::metrics().render();
    text.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

fn aging(grace: Duration) -> Listen {
    let max_connection_age = Duration::from_millis(100);
    Listen { max_connection_age, max_connection_age_grace: grace, ..Listen::on(0, 0) }
}

#[tokio::test]
async fn no_call_fails_because_its_connection_is_old() {
    let world = World::new();
    let running = start(&world, &aging(PATIENCE), Router::new()).await;
    let peer = Peer { url: format!("http://{}", running.grpc), dial: Dial::Plain, timeout: PATIENCE };
    let channel = peer.open("messaging", &Bounds::default()).expect("an address");
    let (token, before) = (format!("Bearer {}", world.person()), retired("grpc"));
    let call = async || {
        let request = Request::post(format!("/{SERVICE}/GetMessage")).header("authorization", &token);
        let answer = channel.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
        let refused = tonic::Status::from_header_map(answer.expect("every call is answered").headers());
        assert!(refused.is_none(), "{refused:?}");
    };
    while retired("grpc") < before + 5 {
        futures::future::join_all((0..20).map(|_| call())).await;
    }
}

#[tokio::test]
async fn a_stream_goes_on_for_a_grace_and_is_then_told_to_come_back() {
    let world = World::new();
    let running = start(&world, &aging(Duration::from_secs(3)), Router::new()).await;
    let (before, client) = (retired("grpc"), As::token(&world.person()).on(testkit::channel(running.grpc)));
    let stream = MessagingServiceClient::new(client).stream_events(StreamEventsRequest::default()).await;
    let (mut stream, source) = (stream.expect("a stream").into_inner(), world.source().await);
    eventually("the connection is old", PATIENCE, async || (retired("grpc") > before).then_some(())).await;
    source.event("1").await;
    assert_eq!(stream.message().await.expect("it goes on").expect("an event").cursor, "1");
    let status = timeout(PATIENCE, stream.message()).await.expect("it ends").expect_err("with a status");
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    assert!(status.get_details_retry_info().is_some(), "come back");
    source.is_let_go().await;
}

/// A response, and whether the connection was closed after it.
async fn whole(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("the connection is closed").expect("text");
    answer
}

#[tokio::test]
async fn over_http_1_an_old_connection_is_closed_after_the_response() {
    let world = World::new();
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let slow = get(async move || {
        wait.notified().await;
        Response::new("done".to_owned())
    });
    let running = start(&world, &aging(PATIENCE), Router::new().route("/slow", slow)).await;
    let before = retired("http");

    let mut idle = TcpStream::connect(running.http).await.expect("a connection");
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: nova.test\r\n\r\n").await.expect("sent");
    let mut busy = TcpStream::connect(running.http).await.expect("a connection");
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: nova.test\r\n\r\n").await.expect("sent");
    assert!(whole(&mut idle).await.ends_with("alive\n"));
    eventually("both are old", PATIENCE, async || (retired("http") >= before + 2).then_some(())).await;
    go_on.notify_one();
    let answer = whole(&mut busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("done"), "{answer}");
}
