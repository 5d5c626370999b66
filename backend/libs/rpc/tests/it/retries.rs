//! What is tried again, how often, and when.

use std::time::Duration;

use rpc::{Bounds, CallContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::{Fake, Mode, call, call_idempotent, peer};
use crate::{PATIENCE, context};

fn unavailable(wait: Option<Duration>) -> Mode {
    let details = ErrorDetails::with_retry_info(wait);
    Mode::Fail(Status::with_error_details(Code::Unavailable, "not now", details))
}

#[tokio::test]
async fn calls_that_may_be_repeated_are_tried_three_times_and_others_once() {
    let fake = Fake::start(unavailable(None)).await;
    let channel = fake.channel(PATIENCE, &Bounds::default());
    assert_eq!(call(&channel).await.expect_err("it fails").code(), Code::Unavailable);
    assert_eq!(fake.calls(), 1);
    assert_eq!(call_idempotent(&channel).await.expect_err("it fails").message(), "not now");
    assert_eq!(fake.calls(), 4);
    assert_eq!(fake.header("grpc-previous-rpc-attempts").as_deref(), Some("2"));

    fake.now(Mode::FailInTrailers(Status::not_found("nobody")));
    assert_eq!(call_idempotent(&channel).await.expect_err("it fails").code(), Code::NotFound);
    assert_eq!(fake.calls(), 5);
}

#[tokio::test]
async fn a_call_that_is_a_retry_itself_is_not_multiplied() {
    let fake = Fake::start(unavailable(None)).await;
    let channel = fake.channel(PATIENCE, &Bounds::default());
    let again = CallContext { is_retry: true, ..context(PATIENCE) };
    rpc::scope(again, call_idempotent(&channel)).await.expect_err("it fails");
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn the_wait_that_a_peer_asks_for_is_kept_within_the_deadline() {
    let wait = Duration::from_millis(300);
    let fake = Fake::start(unavailable(Some(wait))).await;
    let channel = fake.channel(PATIENCE, &Bounds::default());
    let begun = Instant::now();
    call_idempotent(&channel).await.expect_err("it fails");
    assert_eq!(fake.calls(), 3);
    assert!(begun.elapsed() >= 2 * wait, "{:?}", begun.elapsed());

    fake.now(unavailable(Some(PATIENCE)));
    let begun = Instant::now();
    rpc::scope(context(PATIENCE / 2), call_idempotent(&channel)).await.expect_err("it fails");
    assert_eq!(fake.calls(), 4, "there is no time for it");
    assert!(begun.elapsed() < PATIENCE / 2, "nobody waits for what will not be");
}

#[tokio::test]
async fn retries_multiply_no_load() {
    // Conflicts pass too, and break no circuit.
    let fake = Fake::start(Mode::Fail(Status::aborted("a race"))).await;
    let channel = fake.channel(PATIENCE, &Bounds { retry_percent: 10, ..Bounds::default() });
    let begun = Instant::now();
    for _ in 0..300 {
        call_idempotent(&channel).await.expect_err("it fails");
    }
    let retries = fake.calls() - 300;
    let earned = u32::try_from(begun.elapsed().as_secs()).expect("short") + 1;
    assert!((30..=10 + 30 + earned).contains(&retries), "{retries} retries of 300 calls");
}

/// HTTP/2 by hand: our settings, and that theirs are taken; that the connection goes away, and that no stream of it was looked at.
const SETTINGS: [u8; 18] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
const GO_AWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const PREFACE: usize = 24;
const HEADERS: u8 = 1;

/// Takes a connection, and when a request has come says that it goes away without having looked at any.
async fn pass_over(mut stream: TcpStream) {
    stream.read_exact(&mut [0; PREFACE]).await.expect("a preface");
    stream.write_all(&SETTINGS).await.expect("sent");
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await.expect("a frame");
        if head[3] == HEADERS {
            break;
        }
    }
    stream.write_all(&GO_AWAY).await.expect("sent");
    // Until the client has closed it, too.
    let _ = stream.read_to_end(&mut vec![]).await;
}

#[tokio::test]
async fn a_call_that_a_connection_passed_over_when_it_went_away_goes_over_another() {
    let fake = Fake::start(Mode::Well).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (at, behind) = (listener.local_addr().expect("bound"), fake.at);
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.expect("a connection");
        tokio::spawn(pass_over(first));
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(behind).await.expect("the fake listens");
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    let channel = peer(at, PATIENCE).open("fake", &Bounds::default()).expect("an address");
    // It may not be repeated, and is not: nobody has looked at it.
    call(&channel).await.expect("answered over the second connection");
    assert_eq!(fake.calls(), 1);
}
