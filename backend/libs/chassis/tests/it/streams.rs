//! Server streams behind the guard: what ends them, what bounds them, how they are counted.

use std::time::Duration;

use chassis::config::Listen;
use chassis::telemetry;
use errors::ErrorDetailsOf;
use testkit::{assert_reason, eventually};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::source::{Reader, SERVICE, Step, World, frame};

#[tokio::test]
async fn events_pass_as_they_come_until_the_service_ends_the_stream() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let mut reader = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
    let source = world.source().await;
    for cursor in ["1", "2"] {
        source.event(cursor).await;
        assert_eq!(reader.event().await, frame(cursor));
    }
    source.end(Code::Ok).await;
    assert_eq!(reader.end().await.code(), Code::Ok);
}

#[tokio::test]
async fn a_stream_ends_with_its_access_token() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let person = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
    let service = Reader::open(&guard, &world.tokens.service("user"), &[]).await.expect("a stream");
    let (source, _other) = (world.source().await, world.source().await);
    world.hands.advance(Duration::from_secs(901));
    assert_reason(&person.end().await, Code::Unauthenticated, "TOKEN_EXPIRED");
    assert_reason(&service.end().await, Code::Unauthenticated, "TOKEN_EXPIRED");
    source.is_let_go().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_others_go_on() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let claims = world.claims();
    let mine = Reader::open(&guard, &world.tokens.sign(&claims), &[]).await.expect("a stream");
    let _mine = world.source().await;
    let mut others = vec![];
    for token in [world.person(), world.tokens.service("user")] {
        let reader = Reader::open(&guard, &token, &[]).await.expect("a stream");
        others.push((reader, world.source().await));
    }
    world.revoke(&claims);
    let status = tokio::time::timeout(Duration::from_secs(1), mine.end()).await.expect("within a second");
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    for (mut reader, source) in others {
        source.event("1").await;
        assert_eq!(reader.event().await, frame("1"));
    }
}

#[tokio::test]
async fn streams_end_when_the_process_drains_and_no_new_one_begins() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let person = world.person();
    let mut readers = vec![];
    for _ in 0..3 {
        readers.push((Reader::open(&guard, &person, &[]).await.expect("a stream"), world.source().await));
    }
    world.life.shut_down();
    for (reader, source) in readers {
        let status = reader.end().await;
        assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
        assert!(status.get_details_retry_info().is_some(), "come back");
        source.is_let_go().await;
    }
    let status = Reader::open(&guard, &person, &[]).await.err().expect("refused");
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    tokio::time::timeout(Duration::from_secs(5), world.life.stop()).await.expect("nothing is waited for");
}

#[tokio::test]
async fn streams_go_on_until_load_balancers_have_noticed() {
    let world = World::new();
    let guard = world.guard(&Listen { drain_delay: Duration::from_millis(200), ..Listen::default() });
    let mut reader = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
    let source = world.source().await;
    world.life.shut_down();
    source.event("1").await;
    assert_eq!(reader.event().await, frame("1"));
    assert_reason(&reader.end().await, Code::Unavailable, "UNAVAILABLE");
}

#[tokio::test]
async fn streams_have_a_bound_of_their_own_and_take_no_slot_from_calls() {
    let world = World::new();
    let guard = world.guard(&Listen { max_streams: 2, max_calls_in_flight: 1, ..Listen::default() });
    let person = world.person();
    let first = Reader::open(&guard, &person, &[]).await.expect("a stream");
    let _second = Reader::open(&guard, &person, &[]).await.expect("the first takes no slot any more");
    let source = world.source().await;
    let status = Reader::open(&guard, &person, &[]).await.err().expect("full");
    assert_reason(&status, Code::ResourceExhausted, "OVERLOADED");
    drop(first);
    source.is_let_go().await;
    Reader::open(&guard, &person, &[]).await.expect("the place of a client that left is free");
}

#[tokio::test]
async fn only_the_callers_own_deadline_bounds_a_stream_that_has_begun() {
    let world = World::new();
    let guard = world.guard(&Listen { request_timeout: Duration::from_millis(100), ..Listen::default() });
    let person = world.person();
    let mut endless = Reader::open(&guard, &person, &[]).await.expect("a stream");
    let endless_source = world.source().await;
    let bounded = Reader::open(&guard, &person, &[("grpc-timeout", "300m")]).await.expect("a stream");
    let bounded_source = world.source().await;
    assert_reason(&bounded.end().await, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    bounded_source.is_let_go().await;
    endless_source.event("1").await;
    assert_eq!(endless.event().await, frame("1"));
    let far = Reader::open(&guard, &person, &[("grpc-timeout", "99999999H")]).await;
    assert!(far.is_ok(), "a deadline beyond all times is none");
}

#[tokio::test]
async fn the_start_of_a_stream_is_bounded_as_a_call_is() {
    let world = World::new();
    let guard = world.guard(&Listen { request_timeout: Duration::from_millis(100), ..Listen::default() });
    for headers in [&[("x-hang", "1")][..], &[("x-hang", "1"), ("grpc-timeout", "1H")]] {
        let status = Reader::open(&guard, &world.person(), headers).await.err().expect("too late");
        assert_reason(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    }
    let status = Reader::open(&guard, "x.y.z", &[]).await.err().expect("nobody");
    assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_client_that_leaves_takes_everything_along() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let reader = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
    let source = world.source().await;
    drop(reader);
    source.is_let_go().await;
}

#[tokio::test]
async fn however_a_stream_breaks_it_ends_with_a_status_that_tells_nothing() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    for step in [Some(Step::Fail), Some(Step::Panic), None] {
        let mut reader = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
        let source = world.source().await;
        source.event("1").await;
        reader.event().await;
        match step {
            Some(step) => source.step(step).await,
            None => drop(source),
        }
        let status = reader.end().await;
        assert_reason(&status, Code::Internal, "INTERNAL");
        assert_eq!(status.message(), "internal fault");
    }
}

#[tokio::test]
async fn a_status_without_a_reason_is_given_one() {
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let reader = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
    world.source().await.end(Code::Unavailable).await;
    assert_reason(&reader.end().await, Code::Unavailable, "UNAVAILABLE");
}

fn measured(name: &str, labels: &str) -> f64 {
    let line = format!("{name}{{service=\"{SERVICE}\",method=\"StreamEvents\"{labels}}} ");
    let text = telemetry::metrics().render();
    let value = text.lines().find_map(|text| text.strip_prefix(&line));
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn a_stream_is_counted_at_its_end_and_shown_while_it_is_open() {
    const OPEN: &str = "nova_rpc_streams_open";
    // No other test's stream ends with it.
    let lost = || measured("nova_rpc_calls_total", ",code=\"DataLoss\"");
    let world = World::new();
    let guard = world.guard(&Listen::default());
    let reader = Reader::open(&guard, &world.person(), &[]).await.expect("a stream");
    assert!(measured(OPEN, "") >= 1.0);
    assert_eq!(lost(), 0.0, "it goes on");
    world.source().await.end(Code::DataLoss).await;
    let status: Status = reader.end().await;
    assert_eq!((status.reason().as_deref(), lost()), (Some("INTERNAL"), 1.0));
    let none_open = || async { (measured(OPEN, "") == 0.0).then_some(()) };
    eventually("no stream is shown that is not open", Duration::from_secs(30), none_open).await;
}
