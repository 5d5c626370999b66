//! What the other services are told of accounts, sessions and keys: exactly what has happened.

use std::time::Duration;

use auth_service::admin;
use authn::Algorithm;
use events::Event;
use protos::auth::v1 as pb;
use protos::events::v1::{KeysRotated, SessionRevoked, UserDeleted, UserRegistered, UserUpdated};
use testkit::{EventLog, eventually};
use tonic::Code;

use crate::keys::kids;
use crate::world::{PASSWORD, World, master, refresh};

/// A world on a bus; the event of its first signing key has been heard.
async fn world_on_a_bus() -> (World, EventLog) {
    let log = EventLog::new().await;
    let world = World::start_with(|config| config.events = log.section()).await;
    assert_eq!(kinds(&log.take(1).await), ["nova.auth.keys_rotated.v1"]);
    (world, log)
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn an_account_is_told_of_from_its_registration_to_its_end() {
    let (world, log) = world_on_a_bus().await;
    let alice = world.register("alice").await;
    let told = log.next().await;
    let expected = UserRegistered { user_id: alice.id.clone(), username: "alice".into(), display_name: None };
    assert_eq!(told.decode::<UserRegistered>().unwrap(), expected);
    assert_eq!((told.subject.as_str(), told.time), (alice.id.as_str(), world.now()));

    let root = world.admin("root").await; // registered, and given a role
    assert_eq!(kinds(&log.take(2).await), ["nova.user.registered.v1", "nova.user.updated.v1"]);
    let grant = pb::GrantRoleRequest { user_id: alice.id.clone(), role: "moderator".into() };
    for _ in 0..2 {
        root.client.clone().grant_role(grant.clone()).await.unwrap();
    }
    let updated: UserUpdated = log.next().await.decode().unwrap();
    assert_eq!((updated.username.as_str(), updated.active), ("alice", true));
    assert_eq!(updated.roles, ["moderator", "user"]);

    let revoke = pb::RevokeRoleRequest { user_id: alice.id.clone(), role: "moderator".into() };
    for _ in 0..2 {
        root.client.clone().revoke_role(revoke.clone()).await.unwrap();
    }
    let told = log.take(2).await;
    assert_eq!(told[0].decode::<UserUpdated>().unwrap().roles, ["user"]);
    let ended: SessionRevoked = told[1].decode().unwrap();
    assert_eq!((ended.user_id, ended.session_id), (alice.id.clone(), alice.tokens.session_id.clone()));
    assert!(ended.forget_after > clock::rfc3339(world.now()));

    let alice = world.login("alice").await;
    let delete = pb::DeleteAccountRequest { user_id: alice.id.clone(), password: PASSWORD.into() };
    alice.client.clone().delete_account(delete).await.unwrap();
    let delete = pb::DeleteAccountRequest { user_id: alice.id.clone(), password: String::new() };
    root.client.clone().delete_account(delete).await.unwrap(); // once more, which changes nothing
    let told = log.take(2).await;
    assert_eq!(told[0].decode::<SessionRevoked>().unwrap().session_id, alice.tokens.session_id);
    assert_eq!(told[1].decode::<UserDeleted>().unwrap(), UserDeleted { user_id: alice.id });

    // Nothing more has been told of all this.
    world.register("last").await;
    assert_eq!(log.next().await.decode::<UserRegistered>().unwrap().username, "last");
}

#[tokio::test]
async fn each_session_that_ends_is_told_of_once_however_it_ends() {
    let (world, log) = world_on_a_bus().await;
    let alice = world.register("alice").await;
    let (phone, tablet, watch) = (world.login("alice").await, world.login("alice").await, world.login("alice").await);
    log.next().await;
    let ended = async || log.next().await.decode::<SessionRevoked>().expect("the end of a session").session_id;

    for _ in 0..2 {
        phone.client.clone().logout(pb::LogoutRequest {}).await.unwrap();
    }
    assert_eq!(ended().await, phone.tokens.session_id);
    let revoke = pb::RevokeSessionRequest { session_id: tablet.tokens.session_id.clone() };
    for _ in 0..2 {
        alice.client.clone().revoke_session(revoke.clone()).await.unwrap();
    }
    assert_eq!(ended().await, tablet.tokens.session_id);

    // A refresh token that comes a second time, too late.
    world.nobody().refresh_token(refresh(&watch.tokens.refresh_token)).await.unwrap();
    world.hands.advance(Duration::from_secs(60));
    for _ in 0..2 {
        let again = world.nobody().refresh_token(refresh(&watch.tokens.refresh_token)).await.unwrap_err();
        assert_eq!(again.code(), Code::Unauthenticated);
    }
    assert_eq!(ended().await, watch.tokens.session_id);

    let other = world.login("alice").await;
    let change = pb::ChangePasswordRequest {
        user_id: alice.id.clone(),
        current_password: PASSWORD.into(),
        new_password: "another correct horse".into(),
    };
    alice.client.clone().change_password(change).await.unwrap();
    assert_eq!(ended().await, other.tokens.session_id);
    let all = pb::RevokeAllSessionsRequest { user_id: alice.id.clone(), keep_current: false };
    alice.client.clone().revoke_all_sessions(all).await.unwrap();
    assert_eq!(ended().await, alice.tokens.session_id);
    world.register("last").await;
    assert_eq!(kinds(&log.take(1).await), ["nova.user.registered.v1"]);
}

#[tokio::test]
async fn a_registration_that_fails_is_not_told_of() {
    let (world, log) = world_on_a_bus().await;
    world.register("alice").await;
    log.next().await;
    // Two at once: the constraint refuses one after its event was written.
    let calls = crate::world::at_once(2, |_| {
        let mut client = world.nobody();
        async move { client.register(crate::world::registration("bob")).await.is_ok() }
    })
    .await;
    assert_eq!(calls.into_iter().filter(|is_made| *is_made).count(), 1);
    world.register("carol").await;
    let names: Vec<String> =
        log.take(2).await.iter().map(|event| event.decode::<UserRegistered>().unwrap().username).collect();
    assert_eq!(names, ["bob", "carol"]);
}

/// Events that are not on the bus.
async fn waiting(world: &World) -> i64 {
    let mut conn = world.database.connect().await;
    sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut conn).await.expect("a count")
}

async fn outbox_is_empty(world: &World) {
    let empty = async || (waiting(world).await == 0).then_some(());
    eventually("the outbox is empty", Duration::from_secs(60), empty).await;
}

#[tokio::test]
async fn while_the_bus_is_away_everything_goes_on_and_is_told_of_later_in_order() {
    let (world, log) = world_on_a_bus().await;
    outbox_is_empty(&world).await;
    log.cut();
    let alice = world.register("alice").await;
    for n in 0..3 {
        world.register(&format!("guest{n}")).await;
    }
    alice.client.clone().logout(pb::LogoutRequest {}).await.unwrap();
    assert_eq!(waiting(&world).await, 5);
    log.mend();
    let told = log.take(5).await;
    let names: Vec<String> = told[..4].iter().map(|event| event.decode::<UserRegistered>().unwrap().username).collect();
    assert_eq!(names, ["alice", "guest0", "guest1", "guest2"]);
    assert!(told[4].is::<SessionRevoked>());
    outbox_is_empty(&world).await;
}

#[tokio::test]
async fn a_start_without_the_bus_waits_for_nobody() {
    let log = EventLog::new().await;
    log.cut();
    let world = World::start_with(|config| config.events = log.section()).await;
    world.register("alice").await;
    log.mend();
    assert_eq!(kinds(&log.take(2).await), ["nova.auth.keys_rotated.v1", "nova.user.registered.v1"]);
}

#[tokio::test]
async fn another_signing_key_is_told_of() {
    let (world, log) = world_on_a_bus().await;
    let mut conn = world.database.connect().await;
    let kid = admin::rotate_keys(&mut conn, &master(), Algorithm::EdDSA, world.now()).await.unwrap();
    assert_eq!(log.next().await.decode::<KeysRotated>().unwrap(), KeysRotated { key_id: kid });
}

#[tokio::test]
async fn another_signing_key_is_known_to_a_replica_that_never_looks() {
    let log = EventLog::new().await;
    let world = World::start_with(|config| config.events = log.section()).await;
    let replica = world.replica_with(|config| config.tokens.poll_interval = Duration::from_secs(3600)).await;
    let mut conn = world.database.connect().await;
    let kid = admin::rotate_keys(&mut conn, &master(), Algorithm::EdDSA, world.now()).await.unwrap();
    eventually("the bus has told of it", Duration::from_secs(60), async || {
        kids(&replica.running).await.contains(&kid).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_that_one_replica_ends_is_refused_by_another_that_never_looks() {
    let log = EventLog::new().await;
    let world = World::start_with(|config| config.events = log.section()).await;
    let replica = world.replica_with(|config| config.tokens.poll_interval = Duration::from_secs(3600)).await;
    let alice = world.register("alice").await;
    let me = || pb::GetUserRequest { user_id: alice.id.clone() };
    let there = replica.with(&alice.tokens.access_token);
    there.clone().get_user(me()).await.expect("known there too");
    alice.client.clone().logout(pb::LogoutRequest {}).await.unwrap();
    eventually("the bus has told of it", Duration::from_secs(60), async || {
        let refused = there.clone().get_user(me()).await.err()?;
        (refused.code() == Code::Unauthenticated).then_some(())
    })
    .await;
}
