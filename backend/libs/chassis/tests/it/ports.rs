//! Streams as they come over the network: gRPC, gRPC-Web, Server-Sent Events and WebSockets, up to the end of the process.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use chassis::config::Listen;
use chassis::{Running, Service};
use futures::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use protos::messaging::v1::StreamEventsRequest;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use serde_json::Value;
use testkit::{As, assert_reason};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tonic::Code;
use tonic::service::Routes;

use crate::source::{ACCESS, SERVICE, World, frame};

const PATIENCE: Duration = Duration::from_secs(10);

async fn start(world: &World) -> Running {
    let service = Service {
        name: "messaging",
        grpc_name: SERVICE,
        domain: "messaging.nova",
        access: ACCESS,
        verifier: world.verifier.clone(),
        limiter: std::sync::Arc::new(limits::Limiter::off()),
        grpc: Routes::from(world.routes.clone()),
        http: axum::Router::new(),
        ready_after: async {}.boxed(),
        tracer: Default::default(),
        record_metrics: std::sync::Arc::new(|| {}),
    };
    service.start(&Listen::on(0, 0), &world.life).await.expect("ports are free")
}

/// Asks over HTTP/1.1.
async fn ask(request: http::request::Builder, token: &str, body: impl Into<Body>) -> Response<Body> {
    let request = request.header("authorization", format!("Bearer {token}")).body(body.into()).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    client.request(request).await.expect("an answer").map(Body::new)
}

async fn next(body: &mut Body) -> Bytes {
    let frame = timeout(PATIENCE, body.frame()).await.expect("something comes").expect("there is more");
    frame.expect("it is whole").into_data().expect("data")
}

/// The connection to a WebSocket, with the token where a browser puts it.
async fn socket(address: SocketAddr, token: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let address = format!("ws://{address}/api/v1/ws").parse().expect("an address");
    let request = ClientRequestBuilder::new(address)
        .with_sub_protocol("nova.v1")
        .with_sub_protocol(format!("nova.bearer.{token}"));
    let (socket, response) = connect_async(request).await.expect("an upgrade");
    assert_eq!(response.headers()["sec-websocket-protocol"], "nova.v1");
    socket
}

async fn told(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Message {
    timeout(PATIENCE, socket.next()).await.expect("something comes").expect("there is more").expect("it is whole")
}

fn json(message: &Message) -> Value {
    serde_json::from_str(message.to_text().expect("a text frame")).expect("JSON")
}

/// The last text frame, and the code and reason of the close.
async fn goodbye(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> (Value, u16, String) {
    let problem = json(&told(socket).await);
    let Message::Close(Some(close)) = told(socket).await else { panic!("a close frame follows the problem") };
    (problem, close.code.into(), close.reason.to_string())
}

#[tokio::test]
async fn grpc_web_streams_too() {
    let world = World::new();
    let running = start(&world).await;
    let claims = world.claims();
    let token = world.tokens.sign(&claims);
    for address in [running.http, running.grpc] {
        let request = Request::post(format!("http://{address}/{SERVICE}/StreamEvents"))
            .header("content-type", "application/grpc-web+proto");
        let response = ask(request, &token, vec![0, 0, 0, 0, 0]).await;
        assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
        let (mut body, source) = (response.into_body(), world.source().await);
        for cursor in ["1", "2"] {
            source.event(cursor).await;
            assert_eq!(next(&mut body).await, frame(cursor), "it comes while the stream is open");
        }
        source.end(Code::Ok).await;
        let trailers = next(&mut body).await;
        assert_eq!(trailers[0], 0x80, "a frame of trailers");
        assert!(String::from_utf8_lossy(&trailers).contains("grpc-status:0\r\n"));
        assert!(timeout(PATIENCE, body.frame()).await.expect("an end").is_none());
    }
    let request = Request::post(format!("http://{}/{SERVICE}/StreamEvents", running.http))
        .header("content-type", "application/grpc-web+proto");
    let mut body = ask(request, &token, vec![0, 0, 0, 0, 0]).await.into_body();
    let _source = world.source().await;
    world.revoke(&claims);
    assert!(String::from_utf8_lossy(&next(&mut body).await).contains("grpc-status:16\r\n"));
}

#[tokio::test]
async fn an_event_arrives_at_once_whatever_encodings_are_accepted() {
    let world = World::new();
    let running = start(&world).await;
    let request =
        Request::get(format!("http://{}/api/v1/events", running.http)).header("accept-encoding", "gzip, zstd");
    let response = ask(request, &world.person(), "").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(!response.headers().contains_key("content-encoding"));
    let (mut body, source) = (response.into_body(), world.source().await);
    for cursor in ["1", "2"] {
        source.event(cursor).await;
        assert!(next(&mut body).await.starts_with(format!("id: {cursor}\n").as_bytes()));
    }
}

#[tokio::test]
async fn a_websocket_ends_with_the_session() {
    let world = World::new();
    let running = start(&world).await;
    let claims = world.claims();
    let mut socket = socket(running.http, &world.tokens.sign(&claims)).await;
    let source = world.source().await;
    source.event("7").await;
    assert_eq!(json(&told(&mut socket).await)["cursor"], "7");
    world.revoke(&claims);
    let (last, code, reason) = goodbye(&mut socket).await;
    assert_eq!((&*reason, code, last["problem"]["status"].as_u64()), ("TOKEN_REVOKED", 4401, Some(401)));
    source.is_let_go().await;
}

#[tokio::test]
async fn a_reader_that_leaves_is_noticed_while_nothing_happens() {
    let world = World::new();
    let running = start(&world).await;
    let token = world.person();
    let events = ask(Request::get(format!("http://{}/api/v1/events", running.http)), &token, "").await;
    let source = world.source().await;
    drop(events);
    source.is_let_go().await;
    let client = As::token(&token).on(testkit::channel(running.grpc));
    let grpc = MessagingServiceClient::new(client).stream_events(StreamEventsRequest::default()).await;
    let source = world.source().await;
    drop(grpc);
    source.is_let_go().await;
}

#[tokio::test]
async fn at_the_end_of_the_process_every_reader_is_told_to_come_back() {
    let world = World::new();
    let running = start(&world).await;
    let token = world.person();
    let (mut web, web_source) = (socket(running.http, &token).await, world.source().await);
    let events = ask(Request::get(format!("http://{}/api/v1/events", running.http)), &token, "").await;
    let (mut events, events_source) = (events.into_body(), world.source().await);
    let client = As::token(&token).on(testkit::channel(running.grpc));
    let grpc = MessagingServiceClient::new(client).stream_events(StreamEventsRequest::default()).await;
    let (mut grpc, grpc_source) = (grpc.expect("a stream").into_inner(), world.source().await);
    for source in [&web_source, &events_source, &grpc_source] {
        source.event("1").await;
    }
    assert_eq!(json(&told(&mut web).await)["cursor"], "1");
    assert!(next(&mut events).await.starts_with(b"id: 1\nevent: message\ndata: {"));
    assert_eq!(grpc.message().await.expect("an event").expect("there is one").cursor, "1");

    let life = world.life.clone();
    let stopped = tokio::spawn(async move { timeout(Duration::from_secs(5), life.stop()).await });
    let (last, code, reason) = goodbye(&mut web).await;
    assert_eq!((&*reason, code, last["problem"]["status"].as_u64()), ("UNAVAILABLE", 1001, Some(503)));
    let last = String::from_utf8(next(&mut events).await.to_vec()).expect("text");
    assert!(last.starts_with("event: problem\ndata: {") && last.contains("\"status\":503"), "{last}");
    assert!(timeout(PATIENCE, events.frame()).await.expect("an end").is_none());
    assert_reason(&grpc.message().await.expect_err("the end"), Code::Unavailable, "UNAVAILABLE");
    stopped.await.expect("no panic").expect("the grace is not waited out");
}

/// The runtime ends when the stop has been waited for, as the process does.
#[test]
fn a_stop_waits_until_websockets_have_said_goodbye() {
    let (server, client) = (Runtime::new().expect("threads"), Runtime::new().expect("threads"));
    let world = World::new();
    let running = server.block_on(start(&world));
    let mut sockets = vec![];
    for _ in 0..100 {
        let socket = client.block_on(socket(running.http, &world.person()));
        sockets.push((socket, client.block_on(world.source())));
    }
    server.block_on(world.life.stop());
    drop(server);
    for (mut socket, _) in sockets {
        assert_eq!(client.block_on(goodbye(&mut socket)).1, 1001);
    }
}

#[tokio::test]
async fn readyz_tells_who_wants_json_which_service_is_ready() {
    let world = World::new();
    let running = start(&world).await;
    running.readiness.ready().await;
    let readyz = || Request::get(format!("http://{}/readyz", running.http));
    let plain = ask(readyz(), "", "").await.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(plain, "ready\n");
    let json = ask(readyz().header("accept", "application/json"), "", "").await;
    let json: Value =
        serde_json::from_slice(&json.into_body().collect().await.expect("whole").to_bytes()).expect("it is JSON");
    assert_eq!(json, serde_json::json!({ "ready": true, "services": { "messaging": true } }));
}
