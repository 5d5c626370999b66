//! The audit log when it is broken, flooded or written to by many.

use std::collections::BTreeSet;
use std::time::Duration;

use protos::auth::v1 as pb;
use protos::auth::v1::audit_event::{Kind as Wire, Outcome};
use testkit::{assert_reason, eventually};
use tonic::{Code, Request};

use crate::audit::{WRONG, all, everything};
use crate::world::{PASSWORD, World, at_once, credentials, master, registration};

#[tokio::test]
async fn a_change_that_can_not_be_written_down_does_not_happen() {
    let world = World::start().await;
    let (root, alice) = (world.admin("root").await, world.register("alice").await);
    let mut conn = world.database.connect().await;
    sqlx::raw_sql("ALTER TABLE audit_log ADD CONSTRAINT audit_log_full_check CHECK (false) NOT VALID")
        .execute(&mut conn)
        .await
        .expect("broken");
    let mut client = alice.client.clone();
    let change = pb::ChangePasswordRequest {
        user_id: String::new(),
        current_password: PASSWORD.into(),
        new_password: "a newer passphrase".into(),
    };
    let statuses = [
        client.change_password(change).await.unwrap_err(),
        client.begin_totp_enrollment(pb::BeginTotpEnrollmentRequest {}).await.unwrap_err(),
        client.logout(pb::LogoutRequest {}).await.unwrap_err(),
        world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err(),
        world.nobody().login(credentials("alice", WRONG)).await.unwrap_err(),
        world.nobody().login(credentials("nobody", WRONG)).await.unwrap_err(),
        world.nobody().register(registration("bob")).await.unwrap_err(),
        root.client.clone().list_users(pb::ListUsersRequest::default()).await.unwrap_err(),
        root.client.clone().get_user(pb::GetUserRequest { user_id: alice.id.clone() }).await.unwrap_err(),
        root.client.clone().list_audit_events(everything()).await.unwrap_err(),
        root.client
            .clone()
            .grant_role(pb::GrantRoleRequest { user_id: alice.id.clone(), role: "admin".into() })
            .await
            .unwrap_err(),
    ];
    for status in &statuses {
        assert_reason(status, Code::Internal, "INTERNAL");
    }
    sqlx::raw_sql("ALTER TABLE audit_log DROP CONSTRAINT audit_log_full_check")
        .execute(&mut conn)
        .await
        .expect("mended");
    assert_eq!(alice.me().await.expect("still logged in").roles, ["user"]);
    world.login("alice").await;
    world.register("bob").await;
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_rather_than_written() {
    let world = World::start().await;
    let (root, alice) = (world.admin("root").await, world.register("alice").await);
    for name in ["alice", "nobody"] {
        for _ in 0..40 {
            world.nobody().login(credentials(name, WRONG)).await.unwrap_err();
        }
    }
    let refused = async || {
        let logins = all(&root.client, pb::ListAuditEventsRequest { kind: Wire::Login.into(), ..everything() }).await;
        logins.into_iter().filter(|event| event.outcome() == Outcome::Failure).collect::<Vec<_>>()
    };
    // Of each name five that were tried, ten that met the lock, and the rest in one row when the minute is over.
    assert_eq!(refused().await.len(), 30);
    world.hands.advance(Duration::from_secs(60));
    let summaries = eventually("two more rows", Duration::from_secs(10), async || {
        let repeats: Vec<_> = refused().await.into_iter().filter(|e| e.details.contains_key("repeats")).collect();
        (repeats.len() == 2).then_some(repeats)
    })
    .await;
    for summary in &summaries {
        assert_eq!((summary.details["repeats"].as_str(), summary.details["reason"].as_str()), ("25", "ACCOUNT_LOCKED"));
    }
    let concerned: BTreeSet<&str> = summaries.iter().map(|event| event.user_id.as_str()).collect();
    assert_eq!(concerned, ["", alice.id.as_str()].into());
}

#[tokio::test]
async fn who_leaves_before_the_answer_is_in_the_log_all_the_same() {
    let world =
        World::start_with(|config| (config.password.memory_kib, config.password.iterations) = (16_384, 20)).await;
    let root = world.admin("root").await;
    let alice = world.register("alice").await;
    let of_alice = pb::ListAuditEventsRequest { user_id: alice.id.clone(), kind: Wire::Login.into(), ..everything() };
    eventually("an attempt that was given up", Duration::from_secs(30), async || {
        let mut request = Request::new(credentials("alice", PASSWORD));
        request.set_timeout(Duration::from_millis(100));
        let _ = world.nobody().login(request).await;
        let given_up = |event: &pb::AuditEvent| event.details.get("reason").is_some_and(|reason| reason == "CANCELLED");
        all(&root.client, of_alice.clone()).await.iter().any(given_up).then_some(())
    })
    .await;
}

#[tokio::test]
async fn parallel_writers_make_whole_chains() {
    let world = World::start().await;
    world.register("alice").await;
    let answers = at_once(60, |_| {
        let mut client = world.nobody();
        async move { client.login(credentials("alice", PASSWORD)).await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok));
    let report = auth_service::verify::verify_audit(&mut world.database.connect().await, &master(), None).await;
    let report = report.expect("verified");
    assert_eq!((report.rows, report.faults.as_slice()), (62, [].as_slice()), "with the key and the registration");
}
