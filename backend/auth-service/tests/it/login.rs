//! Logging in.

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{PASSWORD, World, at_once, credentials, email};

#[tokio::test]
async fn a_person_logs_in_by_name_or_email_in_any_case() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    for name in ["alice", "ALICE", "alice@example.org", "Alice@Example.ORG"] {
        let answer = world.nobody().login(credentials(name, PASSWORD)).await.expect(name).into_inner();
        assert_eq!(answer.user.expect("user").id, alice.id);
        let session = answer.tokens.expect("tokens").session_id;
        assert_ne!(session, alice.tokens.session_id, "each log-in is a session of its own");
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_name_that_nobody_has_look_the_same() {
    let world = World::start().await;
    world.register("alice").await;
    let wrong = world.nobody().login(credentials("alice", "wrong password")).await.unwrap_err();
    assert_reason(&wrong, Code::Unauthenticated, "INVALID_CREDENTIALS");
    for name in ["nobody", "nobody@example.org", "no such name!", "x"] {
        let unknown = world.nobody().login(credentials(name, "wrong password")).await.unwrap_err();
        assert_eq!(
            (unknown.code(), unknown.message(), unknown.details()),
            (wrong.code(), wrong.message(), wrong.details()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn parallel_logins_of_the_owner_all_succeed() {
    let world = World::start().await;
    world.register("alice").await;
    let answers = at_once(30, |_| {
        let mut client = world.nobody();
        async move { client.login(credentials("alice", PASSWORD)).await }
    })
    .await;
    for answer in answers {
        answer.expect("logged in");
    }
    let mut conn = world.database.connect().await;
    let failures: i32 =
        sqlx::query_scalar("SELECT failed_attempts FROM credentials").fetch_one(&mut conn).await.unwrap();
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_replaced_at_login() {
    let mut world = World::start().await;
    world.register("alice").await;
    world.config.password.iterations = 2;
    world.restart().await;
    let hash = async |world: &World| -> String {
        sqlx::query_scalar("SELECT password_hash FROM credentials")
            .fetch_one(&mut world.database.connect().await)
            .await
            .unwrap()
    };
    assert!(hash(&world).await.contains("t=1"));
    // At once: the hash changes under those that wait for their turn.
    let answers = at_once(4, |_| {
        let mut client = world.nobody();
        async move { client.login(credentials("alice", PASSWORD)).await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(hash(&world).await.contains("t=2"));
    world.login("alice").await;
}

#[tokio::test]
async fn logins_survive_a_restart() {
    let mut world = World::start().await;
    let alice = world.register("alice").await;
    let gone = world.login("alice").await;
    gone.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    world.restart().await;
    let me = world.with(&alice.tokens.access_token).get_user(pb::GetUserRequest { user_id: alice.id.clone() }).await;
    assert_eq!(me.expect("still logged in").into_inner().user.expect("user").email, email("alice"));
    world.nobody().refresh_token(crate::world::refresh(&alice.tokens.refresh_token)).await.expect("refreshed");
    let status =
        world.with(&gone.tokens.access_token).get_user(pb::GetUserRequest { user_id: alice.id }).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_disabled_account_is_told_so_after_the_right_password_only() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    sqlx::query("UPDATE users SET active = false").execute(&mut world.database.connect().await).await.unwrap();
    let status = world.nobody().login(credentials("alice", "wrong password")).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    let status = world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "ACCOUNT_DISABLED");
    let status = world.nobody().refresh_token(crate::world::refresh(&alice.tokens.refresh_token)).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "ACCOUNT_DISABLED");
}

#[tokio::test]
async fn too_many_at_once_are_told_to_wait() {
    let world = World::start_with(|config| {
        config.password.max_concurrent = 1;
        config.password.max_waiting = 1;
        config.password.memory_kib = 32_768;
        config.password.iterations = 4;
    })
    .await;
    let answers = at_once(12, |i| {
        let mut client = world.nobody();
        async move { client.login(credentials(&format!("nobody{i}"), PASSWORD)).await.unwrap_err() }
    })
    .await;
    let overloaded: Vec<_> = answers.iter().filter(|status| status.code() == Code::ResourceExhausted).collect();
    assert!(!overloaded.is_empty() && overloaded.len() < answers.len(), "{answers:?}");
    for status in overloaded {
        assert_reason(status, Code::ResourceExhausted, "OVERLOADED");
    }
}
