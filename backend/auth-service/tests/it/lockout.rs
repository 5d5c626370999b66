//! Failed log-ins lock an account, whoever it belongs to, if anyone.

use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::world::{PASSWORD, World, at_once, credentials};

async fn fail(world: &World, name: &str) -> Status {
    world.nobody().login(credentials(name, "wrong password")).await.expect_err("refused")
}

#[tokio::test]
async fn five_failures_lock_even_the_right_password_out_for_a_while() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    for _ in 0..5 {
        assert_reason(&fail(&world, "alice").await, Code::Unauthenticated, "INVALID_CREDENTIALS");
    }
    let status = world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::ResourceExhausted, "ACCOUNT_LOCKED");
    let wait = status.get_details_retry_info().expect("retry info").retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(15 * 60)));
    // By e-mail neither, for it is the account that is locked; but that is not told.
    let status = world.nobody().login(credentials("alice@example.org", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    let me = alice.me().await.expect("sessions go on");
    assert_eq!((me.failed_login_attempts, me.locked_until.as_deref()), (5, Some("2026-06-01T12:15:00.000000Z")));

    world.hands.advance(Duration::from_secs(15 * 60));
    let me = world.login("alice").await.me().await.expect("me");
    assert_eq!((me.failed_login_attempts, me.locked_until), (0, None));
}

#[tokio::test]
async fn a_name_that_nobody_has_locks_the_same() {
    let world = World::start().await;
    world.register("alice").await;
    for round in 0..2 {
        for attempt in 0..6 {
            let (known, unknown) = (fail(&world, "alice").await, fail(&world, "nobody").await);
            assert_eq!(
                (known.code(), known.message(), known.details()),
                (unknown.code(), unknown.message(), unknown.details())
            );
            let locked = known.code() == Code::ResourceExhausted;
            assert_eq!(locked, attempt == 5, "round {round}, attempt {attempt}");
        }
        world.hands.advance(Duration::from_secs(15 * 60));
    }
}

#[tokio::test]
async fn locking_a_name_says_nothing_of_an_e_mail() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    world.register("bob").await;
    for _ in 0..6 {
        fail(&world, "alice").await;
    }
    // Hers and nobody's answer alike to the end, to the right password too.
    for attempt in 0..7 {
        let password = if attempt == 3 { PASSWORD } else { "wrong password" };
        let [hers, nobodys] = ["alice@example.org", "nobody@example.org"].map(|name| credentials(name, password));
        let hers = world.nobody().login(hers).await.expect_err("refused");
        let nobodys = world.nobody().login(nobodys).await.expect_err("refused");
        assert_eq!(
            (hers.code(), hers.message(), hers.details()),
            (nobodys.code(), nobodys.message(), nobodys.details())
        );
        assert_eq!(hers.code() == Code::ResourceExhausted, attempt >= 5, "attempt {attempt}");
    }
    assert_eq!(alice.me().await.expect("me").failed_login_attempts, 5, "no more than five tries at one password");
    world.login("bob").await;
    // Both names are open again when their time is over.
    world.hands.advance(Duration::from_secs(15 * 60));
    world.nobody().login(credentials("alice@example.org", PASSWORD)).await.expect("logged in");
    world.login("alice").await;
}

#[tokio::test]
async fn guesses_by_name_and_by_e_mail_count_together() {
    let world = World::start().await;
    world.register("alice").await;
    for name in ["alice", "alice@example.org", "alice", "alice@example.org", "alice"] {
        assert_reason(&fail(&world, name).await, Code::Unauthenticated, "INVALID_CREDENTIALS");
    }
    let status = world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn failures_are_forgotten_the_same_for_known_and_unknown_names() {
    let world = World::start().await;
    world.register("alice").await;
    for name in ["alice", "nobody"] {
        for _ in 0..4 {
            fail(&world, name).await;
        }
    }
    world.hands.advance(Duration::from_secs(24 * 60 * 60));
    for name in ["alice", "nobody"] {
        for _ in 0..5 {
            assert_reason(&fail(&world, name).await, Code::Unauthenticated, "INVALID_CREDENTIALS");
        }
        assert_reason(&fail(&world, name).await, Code::ResourceExhausted, "ACCOUNT_LOCKED");
    }
}

#[tokio::test]
async fn a_hundred_guesses_at_once_get_five_tries() {
    let world = World::start().await;
    world.register("alice").await;
    for name in ["alice", "nobody"] {
        let answers = at_once(100, |_| {
            let mut client = world.nobody();
            async move { client.login(credentials(name, "wrong password")).await.unwrap_err() }
        })
        .await;
        let tried = answers.iter().filter(|status| status.code() == Code::Unauthenticated).count();
        assert_eq!(tried, 5, "{name}");
        for status in answers.iter().filter(|status| status.code() != Code::Unauthenticated) {
            assert_reason(status, Code::ResourceExhausted, "ACCOUNT_LOCKED");
        }
    }
}

#[tokio::test]
async fn the_right_password_ends_the_row() {
    let world = World::start().await;
    world.register("alice").await;
    for _ in 0..3 {
        for _ in 0..4 {
            fail(&world, "alice").await;
        }
        world.login("alice").await;
    }
}

#[tokio::test]
async fn a_service_reports_failures_with_bounds_of_its_own() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let mut service = world.service().await;
    let report = |max_attempts, lock_duration_secs| pb::RecordFailedLoginRequest {
        user_id: alice.id.clone(),
        max_attempts,
        lock_duration_secs,
    };
    let first = service.record_failed_login(report(None, None)).await.expect("counted").into_inner();
    assert_eq!((first.failed_attempts, first.locked, first.locked_until), (1, false, None));
    let second = service.record_failed_login(report(Some(2), Some(60))).await.expect("counted").into_inner();
    assert_eq!((second.failed_attempts, second.locked), (2, true));
    assert_eq!(second.locked_until.as_deref(), Some("2026-06-01T12:01:00.000000Z"));
    // While it is locked nothing is counted.
    let third = service.record_failed_login(report(None, None)).await.expect("told").into_inner();
    assert_eq!((third.failed_attempts, third.locked), (2, true));
    // Nobody guessed at this name, so the log-in does not say more.
    let status = world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    world.hands.advance(Duration::from_secs(60));
    world.login("alice").await;

    for bad in [report(Some(0), None), report(Some(1001), None), report(None, Some(0)), report(None, Some(-1))] {
        let status = service.record_failed_login(bad).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
    let unknown =
        pb::RecordFailedLoginRequest { user_id: "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a".into(), ..Default::default() };
    assert_reason(&service.record_failed_login(unknown).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
}
