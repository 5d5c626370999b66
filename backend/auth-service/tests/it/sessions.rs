//! Listing and ending sessions.

use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::{assert_reason, eventually};
use tonic::Code;

use crate::world::{PASSWORD, Person, World, credentials};

async fn sessions(person: &Person, user: &str) -> Vec<pb::Session> {
    let request = pb::ListSessionsRequest { user_id: user.to_owned(), ..Default::default() };
    person.client.clone().list_sessions(request).await.expect("listed").into_inner().sessions
}

#[tokio::test]
async fn a_person_sees_their_live_sessions_newest_first() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    world.hands.advance(Duration::from_secs(60));
    let request = pb::LoginRequest { device_name: Some(" Alice's phone ".into()), ..credentials("alice", PASSWORD) };
    let phone = world.nobody().login(request).await.expect("logged in").into_inner().tokens.expect("tokens");
    let listed = sessions(&alice, &alice.id).await;
    assert_eq!(listed.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), [&phone.session_id, &alice.tokens.session_id]);
    assert_eq!((listed[0].device_name.as_str(), listed[0].current, listed[1].current), ("Alice's phone", false, true));
    assert_eq!(listed[0].created_at, "2026-06-01T12:01:00.000000Z");
    assert_eq!(listed[0].expires_at, "2026-07-01T12:01:00.000000Z");

    world.hands.advance(Duration::from_secs(30 * 24 * 3600 - 30));
    let request = pb::ListSessionsRequest { user_id: alice.id, ..Default::default() };
    let left = world.service().await.list_sessions(request).await.expect("listed").into_inner().sessions;
    assert_eq!(left.len(), 1, "what has expired is no session any more");
}

#[tokio::test]
async fn pages_of_sessions_reach_the_end_while_more_are_opened() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    for _ in 0..6 {
        world.hands.advance(Duration::from_secs(1));
        world.login("alice").await;
    }
    let mut seen = vec![];
    let mut page_token = String::new();
    loop {
        let request = pb::ListSessionsRequest { user_id: alice.id.clone(), limit: 2, page_token };
        let page = alice.client.clone().list_sessions(request).await.expect("listed").into_inner();
        seen.extend(page.sessions.into_iter().map(|session| session.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        world.hands.advance(Duration::from_secs(1));
        world.login("alice").await;
    }
    assert_eq!(seen.len(), 7);
    seen.dedup();
    assert_eq!(seen.len(), 7, "none twice");
    // A token of one list is of no use for another's.
    let bob = world.register("bob").await;
    let request = pb::ListSessionsRequest { user_id: alice.id.clone(), limit: 2, page_token: String::new() };
    let token = alice.client.clone().list_sessions(request).await.expect("listed").into_inner().next_page_token;
    let request = pb::ListSessionsRequest { user_id: bob.id.clone(), limit: 2, page_token: token };
    let status = bob.client.clone().list_sessions(request).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn logging_out_may_be_repeated() {
    let world = World::start().await;
    let (alice, service) = (world.register("alice").await, world.service().await);
    for _ in 0..3 {
        alice.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    }
    assert_reason(&alice.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    assert_reason(
        &service.clone().logout(pb::LogoutRequest {}).await.unwrap_err(),
        Code::PermissionDenied,
        "PERMISSION_DENIED",
    );
    world.hands.advance(Duration::from_secs(900));
    let status = alice.client.clone().logout(pb::LogoutRequest {}).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_session_is_ended_from_another() {
    let world = World::start().await;
    let (alice, lost) = (world.register("alice").await, world.login("alice").await);
    let request = pb::RevokeSessionRequest { session_id: lost.tokens.session_id.clone() };
    for _ in 0..2 {
        alice.client.clone().revoke_session(request.clone()).await.expect("revoked");
    }
    assert_reason(&lost.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    assert!(alice.me().await.is_ok());
    let request = pb::RevokeSessionRequest { session_id: alice.id.clone() };
    let status = alice.client.clone().revoke_session(request).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn all_sessions_are_ended_but_the_one_that_asks() {
    let world = World::start().await;
    let (alice, second, third) =
        (world.register("alice").await, world.login("alice").await, world.login("alice").await);
    let request = |keep_current| pb::RevokeAllSessionsRequest { user_id: alice.id.clone(), keep_current };
    let answer = alice.client.clone().revoke_all_sessions(request(true)).await.expect("revoked").into_inner();
    assert_eq!(answer.revoked_count, 2);
    for gone in [&second, &third] {
        assert_reason(&gone.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    }
    assert_eq!(sessions(&alice, &alice.id).await.len(), 1);
    // An administrator's own session is not among them.
    let root = world.admin("root").await;
    let answer = root.client.clone().revoke_all_sessions(request(true)).await.expect("revoked").into_inner();
    assert_eq!(answer.revoked_count, 1);
    assert_reason(&alice.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    assert!(root.me().await.is_ok());
}

#[tokio::test]
async fn another_replica_learns_of_an_ended_session_within_a_second() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let replica = world.replica().await;
    let mut there = replica.with(&alice.tokens.access_token);
    let me = pb::GetUserRequest { user_id: alice.id.clone() };
    there.get_user(me.clone()).await.expect("known there");
    alice.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    let status =
        eventually("a refusal", Duration::from_secs(1), async || there.clone().get_user(me.clone()).await.err()).await;
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
}
