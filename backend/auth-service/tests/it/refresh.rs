//! Refresh tokens: single use, a grace for repeats, and what happens to who comes too late.

use std::collections::HashSet;
use std::time::Duration;

use auth_service::storage::sweep::{Rubbish, delete_batch};
use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::{Code, Status};

use crate::world::{World, at_once, refresh};

async fn exchange(world: &World, token: &str) -> Result<pb::Tokens, Status> {
    Ok(world.nobody().refresh_token(refresh(token)).await?.into_inner().tokens.expect("tokens"))
}

#[tokio::test]
async fn a_token_is_exchanged_for_the_next_one_of_the_same_session() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let mut tokens = alice.tokens.clone();
    for _ in 0..3 {
        world.hands.advance(Duration::from_secs(3600));
        let next = exchange(&world, &tokens.refresh_token).await.expect("refreshed");
        assert_eq!(next.session_id, alice.tokens.session_id);
        assert_ne!(next.refresh_token, tokens.refresh_token);
        let me = world.with(&next.access_token).get_user(pb::GetUserRequest { user_id: alice.id.clone() }).await;
        assert!(me.is_ok());
        tokens = next;
    }
    assert_reason(&alice.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn many_at_once_get_the_same_successor() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let answers = at_once(40, |_| {
        let (mut client, request) = (world.nobody(), refresh(&alice.tokens.refresh_token));
        async move { client.refresh_token(request).await }
    })
    .await;
    let tokens: Vec<pb::Tokens> =
        answers.into_iter().map(|answer| answer.expect("refreshed").into_inner().tokens.expect("tokens")).collect();
    let successors: HashSet<&str> = tokens.iter().map(|tokens| tokens.refresh_token.as_str()).collect();
    assert_eq!(successors.len(), 1);
    exchange(&world, &tokens[0].refresh_token).await.expect("the successor is good");
    let mut conn = world.database.connect().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM refresh_tokens").fetch_one(&mut conn).await.unwrap();
    assert_eq!(rows, 3, "the first, its successor, and the successor's");
}

#[tokio::test]
async fn a_repeat_is_forgiven_for_ten_seconds_and_then_ends_the_session() {
    let world = World::start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let first = exchange(&world, &alice.tokens.refresh_token).await.expect("refreshed");
    world.hands.advance(Duration::from_secs(10));
    let again = exchange(&world, &alice.tokens.refresh_token).await.expect("a repeat");
    assert_eq!(again.refresh_token, first.refresh_token);

    world.hands.advance(Duration::from_millis(1));
    let status = exchange(&world, &alice.tokens.refresh_token).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_REUSED");
    // Neither the thief nor the owner goes on.
    let status = exchange(&world, &first.refresh_token).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    assert_reason(&alice.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    assert!(bob.me().await.is_ok());
}

#[tokio::test]
async fn no_token_lies_in_the_database() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let next = exchange(&world, &alice.tokens.refresh_token).await.expect("refreshed");
    let mut conn = world.database.connect().await;
    let rows: String =
        sqlx::query_scalar("SELECT string_agg(t::text, ' ') FROM refresh_tokens t").fetch_one(&mut conn).await.unwrap();
    for token in [&alice.tokens.refresh_token, &next.refresh_token] {
        assert!(!rows.contains(token.as_str()));
    }
}

#[tokio::test]
async fn tokens_that_are_no_good_are_refused() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let status = exchange(&world, "short").await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let status = exchange(&world, &"A".repeat(86)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    world.hands.advance(Duration::from_secs(30 * 24 * 3600));
    let status = exchange(&world, &alice.tokens.refresh_token).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_EXPIRED");
}

#[tokio::test]
async fn refreshing_and_logging_out_at_once_leaves_nothing_alive() {
    let world = World::start().await;
    for i in 0..10 {
        let person = world.register(&format!("person{i}")).await;
        let (mut nobody, mut own) = (world.nobody(), person.client.clone());
        let request = refresh(&person.tokens.refresh_token);
        let (refreshed, logged_out) = tokio::join!(nobody.refresh_token(request), own.logout(pb::LogoutRequest {}));
        logged_out.expect("logged out");
        if let Ok(answer) = refreshed {
            let tokens = answer.into_inner().tokens.expect("tokens");
            let status = exchange(&world, &tokens.refresh_token).await.unwrap_err();
            assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
            let request = pb::GetUserRequest { user_id: person.id.clone() };
            let status = world.with(&tokens.access_token).get_user(request).await.unwrap_err();
            assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_swept() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    exchange(&world, &alice.tokens.refresh_token).await.expect("refreshed");
    world.nobody().login(crate::world::credentials("nobody", "wrong password")).await.unwrap_err();
    let mut conn = world.database.connect().await;
    let day = Duration::from_secs(24 * 3600);
    let sweep = async |conn: &mut sqlx::PgConnection| {
        let (now, mut swept) = (world.now(), 0);
        for (what, before) in [
            (Rubbish::ExpiredRefreshTokens, now),
            (Rubbish::EndedRefreshTokens, now - day),
            (Rubbish::Sessions, now - day),
            (Rubbish::OneTimeTokens, now),
            (Rubbish::LoginFailures, now - day),
        ] {
            swept += delete_batch(conn, what, before, 100).await.expect("swept");
        }
        swept
    };
    assert_eq!(sweep(&mut conn).await, 0, "nothing has expired yet");
    world.hands.advance(day * 32);
    assert_eq!(
        sweep(&mut conn).await,
        2 + 1 + 2,
        "two refresh tokens, the session, the failures of the name and of its decoy"
    );
}

#[tokio::test]
async fn a_used_token_gives_itself_away_long_after_its_row_is_gone() {
    let world = World::start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let mut newest = alice.tokens.refresh_token.clone();
    for _ in 0..8 {
        world.hands.advance(Duration::from_secs(900));
        newest = exchange(&world, &newest).await.expect("refreshed").refresh_token;
    }
    let mut conn = world.database.connect().await;
    let hour_ago = world.now() - Duration::from_secs(3600);
    let swept = delete_batch(&mut conn, Rubbish::UsedRefreshTokens, hour_ago, 100).await.expect("swept");
    assert_eq!(swept, 4, "those used an hour ago or before");

    // A guess at a session ends nothing: whatever is changed in a token, it is not ours any more.
    for at in [0, 20, 40, 80] {
        let mut forged: Vec<char> = alice.tokens.refresh_token.chars().collect();
        forged[at] = if forged[at] == 'A' { 'B' } else { 'A' };
        let status = exchange(&world, &forged.iter().collect::<String>()).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    }
    newest = exchange(&world, &newest).await.expect("the session goes on").refresh_token;

    let status = exchange(&world, &alice.tokens.refresh_token).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_REUSED");
    for token in [&newest, &alice.tokens.refresh_token] {
        assert_reason(&exchange(&world, token).await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    }
    exchange(&world, &bob.tokens.refresh_token).await.expect("nobody else's session ends");
}

#[tokio::test]
async fn a_token_whose_row_went_with_its_session_has_expired() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    world.hands.advance(Duration::from_secs(30 * 24 * 3600));
    let mut conn = world.database.connect().await;
    let swept = delete_batch(&mut conn, Rubbish::ExpiredRefreshTokens, world.now(), 100).await.expect("swept");
    assert_eq!(swept, 1);
    let status = exchange(&world, &alice.tokens.refresh_token).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_EXPIRED");
    delete_batch(&mut conn, Rubbish::Sessions, world.now(), 100).await.expect("swept");
    let status = exchange(&world, &alice.tokens.refresh_token).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
}
