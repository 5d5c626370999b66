//! Who fails again and again is left alone, and gets calls again when it is well.

use std::time::Duration;

use rpc::{Bounds, PeerChannel};
use testkit::{ChaosProxy, Upstream, eventually};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fake::{Fake, Mode, call, peer};
use crate::{PATIENCE, context};

/// A rest that no test outlasts by chance.
fn long_rests() -> Bounds {
    Bounds { open_at_most: PATIENCE, ..Bounds::default() }
}

async fn is_left_alone(channel: &PeerChannel) -> bool {
    let status = call(channel).await.expect_err("it fails");
    status.code() == Code::Unavailable && status.get_details_retry_info().is_some()
}

#[tokio::test]
async fn a_peer_that_says_that_it_serves_and_answers_errors_is_left_alone_until_it_is_well() {
    let ill = || Status::unavailable("the database is down");
    for mode in [Mode::Fail(ill()), Mode::FailInTrailers(ill()), Mode::Html(503)] {
        let fake = Fake::start(mode.clone()).await;
        let channel = fake.channel(PATIENCE, &Bounds::default());
        for _ in 0..5 {
            let status = call(&channel).await.expect_err("it fails");
            assert_eq!(status.code(), Code::Unavailable, "{mode:?}");
        }
        assert_eq!(fake.calls(), 5);
        fake.now(Mode::Well);
        let attempts = async || {
            let before = fake.calls();
            match call(&channel).await {
                Ok(()) => Some(()),
                Err(status) => {
                    assert!(status.get_details_retry_info().is_some(), "{mode:?}: {status:?}");
                    assert_eq!(fake.calls(), before, "nothing reaches it while it rests");
                    None
                }
            }
        };
        eventually("it gets calls again", PATIENCE, attempts).await;
        for _ in 0..10 {
            call(&channel).await.expect("the circuit is closed");
        }
    }
}

#[tokio::test]
async fn answers_that_are_the_callers_fault_break_no_circuit() {
    let fake = Fake::start(Mode::Well).await;
    let channel = fake.channel(PATIENCE, &long_rests());
    let codes = [Code::NotFound, Code::Aborted, Code::ResourceExhausted, Code::Internal, Code::PermissionDenied];
    for code in codes.iter().cycle().take(50) {
        fake.now(Mode::Fail(Status::new(*code, "x")));
        assert_eq!(call(&channel).await.expect_err("it fails").code(), *code);
    }
    assert_eq!(fake.calls(), 50);
}

#[tokio::test]
async fn callers_in_a_hurry_break_no_circuit_for_others() {
    let fake = Fake::start(Mode::Silent).await;
    let channel = fake.channel(PATIENCE, &long_rests());
    for _ in 0..30 {
        let hurried = rpc::scope(context(Duration::from_millis(5)), call(&channel));
        assert_eq!(hurried.await.expect_err("too late").code(), Code::DeadlineExceeded);
    }
    fake.now(Mode::Well);
    call(&channel).await.expect("the circuit is closed");
}

#[tokio::test]
async fn calls_that_are_given_up_break_the_circuit_too() {
    let fake = Fake::start(Mode::Silent).await;
    let channel = fake.channel(Duration::from_millis(500), &long_rests());
    for _ in 0..5 {
        timeout(Duration::from_millis(300), call(&channel)).await.expect_err("the caller has left");
    }
    assert!(is_left_alone(&channel).await);
    assert_eq!(fake.calls(), 5);
}

#[tokio::test]
async fn a_peer_that_resets_every_connection_is_left_alone_until_it_is_well() {
    let fake = Fake::start(Mode::Well).await;
    let proxy = ChaosProxy::start(Upstream::Tcp(fake.at)).await;
    let channel = peer(proxy.address, PATIENCE).open("user", &Bounds::default()).expect("an address");
    call(&channel).await.expect("it is well");
    proxy.cut();
    let left_alone = async || is_left_alone(&channel).await.then_some(());
    eventually("it is left alone", PATIENCE, left_alone).await;
    proxy.mend();
    eventually("it gets calls again", PATIENCE, async || call(&channel).await.ok()).await;
}

#[tokio::test]
async fn a_peer_that_vanished_without_a_word_is_found_again_over_a_new_connection() {
    let fake = Fake::start(Mode::Well).await;
    let proxy = ChaosProxy::start(Upstream::Tcp(fake.at)).await;
    let channel = peer(proxy.address, Duration::from_millis(100)).open("user", &Bounds::default()).expect("an address");
    eventually("it is well", PATIENCE, async || call(&channel).await.ok()).await;
    proxy.freeze();
    let left_alone = async || is_left_alone(&channel).await.then_some(());
    eventually("it is left alone", PATIENCE, left_alone).await;
    proxy.mend(); // what was frozen stays so
    // Sooner than keep-alive finds out about the old connection.
    eventually("it gets calls again", Duration::from_secs(5), async || call(&channel).await.ok()).await;
}

#[tokio::test]
async fn upkeep_is_let_through_and_closes_the_circuit() {
    let fake = Fake::start(Mode::Fail(Status::unavailable("not now"))).await;
    let channel = fake.channel(PATIENCE, &Bounds::default());
    while !is_left_alone(&channel).await {}
    let upkeep = channel.clone().for_upkeep();
    let before = fake.calls();
    for _ in 0..3 {
        assert_eq!(call(&upkeep).await.expect_err("it fails").message(), "not now");
    }
    assert_eq!(fake.calls(), before + 3);
    fake.now(Mode::Well);
    call(&upkeep).await.expect("it is well");
    call(&channel).await.expect("the circuit is closed");
}
