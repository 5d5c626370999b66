//! A database that goes away and comes back.

use std::time::{Duration, Instant};

use chassis::config::Secret;
use protos::auth::v1 as pb;
use testkit::{ChaosProxy, TestDatabase, assert_reason, eventually};
use tonic::Code;

use crate::world::{PASSWORD, World, credentials};

#[tokio::test]
async fn a_lost_database_is_unavailable_at_once_and_recovers_by_itself() {
    let own = TestDatabase::new(&auth_service::MIGRATOR).await;
    let (proxy, url) = ChaosProxy::before_postgres(&own.url).await;
    let world = World::start_with(|config| config.database.url = Secret::from(url.as_str())).await;
    let alice = world.register("alice").await;

    proxy.cut();
    let begun = Instant::now();
    let status = world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_reason(&alice.me().await.unwrap_err(), Code::Unavailable, "UNAVAILABLE");

    proxy.mend();
    eventually("recovery", Duration::from_secs(5), async || {
        world.nobody().login(credentials("alice", PASSWORD)).await.ok()
    })
    .await;
    assert!(alice.me().await.is_ok(), "nobody was logged out");
}

/// A session is ended while a replica can't read of it, for much longer than it looks back after each look.
async fn a_replica_learns_of_what_it_missed(lose: impl Fn(&ChaosProxy)) {
    let world = World::start().await;
    let (proxy, url) = ChaosProxy::before_postgres(&world.database.url).await;
    let replica = world
        .replica_with(|config| {
            config.database.url = Secret::from(url.as_str());
            config.database.statement_timeout = Duration::from_millis(200);
        })
        .await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let me = pb::GetUserRequest::default();
    let (lost, kept) = (replica.with(&alice.tokens.access_token), replica.with(&bob.tokens.access_token));
    lost.clone().get_user(me.clone()).await.expect("known there");

    lose(&proxy);
    alice.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    world.hands.advance(Duration::from_secs(120));
    proxy.mend();
    eventually("recovery", Duration::from_secs(15), async || kept.clone().get_user(me.clone()).await.ok()).await;
    let status = eventually("a refusal", Duration::from_secs(15), async || {
        lost.clone().get_user(me.clone()).await.err().filter(|status| status.code() == Code::Unauthenticated)
    })
    .await;
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    kept.clone().get_user(me).await.expect("bob's session goes on");
}

#[tokio::test]
async fn a_session_that_ended_while_the_database_was_away_is_refused() {
    a_replica_learns_of_what_it_missed(ChaosProxy::cut).await;
}

#[tokio::test]
async fn a_database_that_vanishes_without_a_word_holds_up_no_worker() {
    a_replica_learns_of_what_it_missed(ChaosProxy::freeze).await;
}
