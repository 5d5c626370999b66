//! Connections that cost more than they may: too many, too slow, with too much in their headers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use chassis::config::Listen;
use futures::stream;
use testkit::{Certificates, eventually};
use tls::{Client, ClientFiles};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;

use crate::source::World;
use crate::tls::{connect, listen, start};

const PATIENCE: Duration = Duration::from_secs(20);

/// `/flood`: an answer without an end, and where to see that it was let go.
fn flood() -> (Router, mpsc::Sender<()>) {
    let (alive, gone) = mpsc::channel::<()>(1);
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let answer = move || {
        let held = gone.lock().expect("one call").take();
        let chunks = stream::repeat_with(move || {
            let _ = &held;
            Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 16 * 1024]))
        });
        async move { Body::from_stream(chunks) }
    };
    (Router::new().route("/flood", get(answer)), alive)
}

async fn ask(stream: &mut (impl AsyncWrite + Unpin), request: &str) {
    stream.write_all(request.as_bytes()).await.expect("sent");
}

/// The first bytes of an answer; empty if the connection was closed.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = vec![];
    let mut some = stream.take(12);
    match timeout(PATIENCE, some.read_to_end(&mut answer)).await.expect("it is answered or closed") {
        Ok(_) => String::from_utf8(answer).expect("text"),
        Err(_) => String::new(),
    }
}

const FLOOD: &str = "GET /flood HTTP/1.1\r\nhost: nova.test\r\n\r\n";
const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: nova.test\r\n\r\n";

#[tokio::test]
async fn who_stops_reading_is_let_go() {
    let write_timeout = Duration::from_millis(300);
    let world = World::new();

    let (routes, alive) = flood();
    let plain = start(&world, &Listen { write_timeout, ..Listen::on(0, 0) }, routes).await;
    let mut reader = TcpStream::connect(plain.http).await.expect("a connection");
    ask(&mut reader, FLOOD).await;
    assert_eq!(status(&mut reader).await, "HTTP/1.1 200");
    timeout(PATIENCE, alive.closed()).await.expect("the answer is let go");

    let (routes, alive) = flood();
    let certificates = Certificates::new();
    let under_tls = start(&world, &Listen { write_timeout, ..listen(&certificates) }, routes).await;
    let client = Client::open(&ClientFiles { ca: certificates.ca(), identity: None }).expect("good files");
    let mut reader = connect(&client, "http/1.1", under_tls.http).await.expect("a handshake");
    ask(&mut reader, FLOOD).await;
    assert_eq!(status(&mut reader).await, "HTTP/1.1 200");
    timeout(PATIENCE, alive.closed()).await.expect("the answer is let go");
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_at_once_and_counted() {
    let world = World::new();
    let running = start(&world, &Listen { max_connections: 2, ..Listen::on(0, 0) }, Router::new()).await;
    let mut first = TcpStream::connect(running.http).await.expect("a connection");
    ask(&mut first, LIVEZ).await;
    assert_eq!(status(&mut first).await, "HTTP/1.1 200");

    // A connection that has become a WebSocket is one still.
    let request = ClientRequestBuilder::new(format!("ws://{}/api/v1/ws", running.http).parse().expect("an address"))
        .with_sub_protocol("nova.v1")
        .with_sub_protocol(format!("nova.bearer.{}", world.person()));
    let second = TcpStream::connect(running.http).await.expect("a connection");
    let (socket, _) = client_async(request, second).await.expect("an upgrade");
    let source = world.source().await;

    let mut third = TcpStream::connect(running.http).await.expect("the kernel accepts it");
    let _ = third.write_all(LIVEZ.as_bytes()).await;
    assert_eq!(status(&mut third).await, "", "it is closed");
    let metrics = chassis::telemetry::metrics().render();
    let refused = metrics.lines().find(|l| l.starts_with("nova_connections_refused_total{port=\"messaging-http\"}"));
    assert!(refused.is_some_and(|line| !line.ends_with(" 0")), "{refused:?}");

    drop(socket);
    source.is_let_go().await;
    let admitted = async || {
        let mut next = TcpStream::connect(running.http).await.expect("the kernel accepts it");
        let _ = next.write_all(LIVEZ.as_bytes()).await;
        (status(&mut next).await == "HTTP/1.1 200").then_some(())
    };
    eventually("there is room again", PATIENCE, admitted).await;
}

#[tokio::test]
async fn requests_with_too_much_in_their_headers_are_refused() {
    let world = World::new();
    let running = start(&world, &Listen::on(0, 0), Router::new()).await;
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x-large: {}\r\n", "x".repeat(100 * 1024));
    for headers in [many, large] {
        let mut stream = TcpStream::connect(running.http).await.expect("a connection");
        let _ = stream.write_all(format!("GET /livez HTTP/1.1\r\nhost: nova.test\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(status(&mut stream).await, "HTTP/1.1 431");
    }
}
