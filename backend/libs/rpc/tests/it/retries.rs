//! What is tried again, how often, and when.

use std::time::Duration;

use rpc::{Bounds, CallContext};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::{Fake, Mode, call, call_idempotent};
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
