//! A stop that load balancers have not heard of yet.

use std::time::Duration;

use axum::Router;
use chassis::config::Listen;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::source::World;
use crate::tls::start;

const PATIENCE: Duration = Duration::from_secs(20);

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: nova.test\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    while !answer.ends_with("alive\n") {
        let mut bytes = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut bytes)).await.expect("in time").expect("an answer");
        assert!(read > 0, "the connection was closed before its answer: {answer:?}");
        answer.push_str(std::str::from_utf8(&bytes[..read]).expect("text"));
    }
    answer
}

#[tokio::test]
async fn over_http_1_every_answer_of_a_stop_says_that_its_connection_ends() {
    let world = World::new();
    let listen = Listen { drain_delay: PATIENCE, ..Listen::on(0, 0) };
    let running = start(&world, &listen, Router::new()).await;
    let mut kept = TcpStream::connect(running.http).await.expect("a connection");
    assert!(!ask(&mut kept).await.contains("connection: close"));
    world.life.shut_down();

    // Balancers still send new connections: they are answered as the one that is there.
    let mut new = TcpStream::connect(running.http).await.expect("a connection");
    for connection in [&mut kept, &mut new] {
        assert!(ask(connection).await.contains("connection: close\r\n"));
        let ended = timeout(PATIENCE, connection.read(&mut [0])).await.expect("in time");
        assert_eq!(ended.expect("closed in good order"), 0);
    }
}
