//! No peer takes more than its deadline, or than its share of the calls.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use protos::user::v1::ExportUserRequest;
use protos::user::v1::user_service_client::UserServiceClient;
use rpc::Bounds;
use testkit::eventually;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic_types::StatusExt;

use crate::fake::{Fake, Mode, call, call_idempotent};
use crate::{PATIENCE, context};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_peer_that_does_not_answer_or_stops_takes_its_time_and_no_more() {
    for mode in [Mode::Silent, Mode::Stalled] {
        let fake = Fake::start(mode.clone()).await;
        let begun = Instant::now();
        let status = timeout(PATIENCE, call_idempotent(&fake.channel(SHORT, &Bounds::default()))).await;
        let status = status.expect("it ends").expect_err("too late");
        assert_eq!(status.code(), Code::DeadlineExceeded, "{mode:?}");
        assert!(begun.elapsed() >= SHORT);
        assert_eq!(fake.calls(), 1, "there is no time for another");
    }
}

#[tokio::test]
async fn the_callers_deadline_goes_along_and_bounds_the_call() {
    let fake = Fake::start(Mode::Silent).await;
    let channel = fake.channel(PATIENCE, &Bounds::default());
    let status = timeout(PATIENCE, rpc::scope(context(SHORT), call(&channel))).await.expect("it ends");
    assert_eq!(status.expect_err("too late").code(), Code::DeadlineExceeded);
    let told = fake.header("grpc-timeout").expect("a deadline");
    let told: u128 = told.strip_suffix('m').and_then(|ms| ms.parse().ok()).expect("milliseconds");
    assert!((1..=SHORT.as_millis()).contains(&told), "{told}");
    assert_eq!(fake.header("x-request-id").as_deref(), Some("a-call"));

    let over = rpc::scope(context(Duration::ZERO), call(&channel)).await.expect_err("too late");
    assert_eq!((over.code(), fake.calls()), (Code::DeadlineExceeded, 1), "nothing is asked when there is no time left");
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let fake = Fake::start(Mode::Endless).await;
    let status = call(&fake.channel(PATIENCE, &Bounds::default())).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_slow_peer_takes_no_more_than_its_share() {
    let slow = Fake::start(Mode::Silent).await;
    let bounds = Bounds { max_in_flight: 3, max_wait: Duration::from_millis(20), ..Bounds::default() };
    let channel = slow.channel(PATIENCE, &bounds);
    let waiting = join_all((0..3).map(|_| call(&channel)));
    let rest = async {
        eventually("three are there", PATIENCE, async || (slow.calls() == 3).then_some(())).await;
        let status = call(&channel).await.expect_err("no place");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_details_retry_info().is_some(), "come back");
        // What must get through does.
        let upkeep = channel.clone().for_upkeep();
        slow.now(Mode::Well);
        call(&upkeep).await.expect("it takes no place");
    };
    tokio::select! {
        _ = waiting => panic!("nobody answers"),
        () = rest => {}
    }
    call(&channel).await.expect("who left made room");
    assert_eq!(slow.calls(), 5);
}

#[tokio::test]
async fn streams_outlast_what_bounds_calls() {
    let wake = Arc::new(Notify::new());
    let fake = Fake::start(Mode::Stream(Arc::clone(&wake))).await;
    let channel = fake.channel(SHORT, &Bounds { max_in_flight: 1, ..Bounds::default() });
    let mut client = UserServiceClient::new(channel.clone().for_streams());
    let opened = rpc::scope(context(SHORT), client.export_user(ExportUserRequest::default()));
    let mut stream = opened.await.expect("a stream").into_inner();
    assert_eq!(fake.header("grpc-timeout"), None);

    // Longer than both, and another call has room beside it.
    fake.now(Mode::Silent);
    assert_eq!(call(&channel).await.expect_err("too late").code(), Code::DeadlineExceeded);
    for _ in 0..3 {
        wake.notify_one();
        let message = timeout(PATIENCE, stream.message()).await.expect("it goes on").expect("it is whole");
        assert!(message.is_some());
    }

    let silent = client.export_user(ExportUserRequest::default());
    let status = timeout(PATIENCE, silent).await.expect("its start is bounded").expect_err("too late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
}
