//! Changing and resetting passwords.

use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{PASSWORD, World, at_once, credentials, refresh};

const NEW: &str = "a better password";

#[tokio::test]
async fn changing_a_password_ends_the_other_sessions() {
    let world = World::start().await;
    let (alice, other) = (world.register("alice").await, world.login("alice").await);
    let change = |current: &str, new: &str| pb::ChangePasswordRequest {
        user_id: alice.id.clone(),
        current_password: current.into(),
        new_password: new.into(),
    };
    let status = alice.client.clone().change_password(change("wrong password", NEW)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert!(other.me().await.is_ok());
    alice.client.clone().change_password(change(PASSWORD, NEW)).await.expect("changed");
    assert!(alice.me().await.is_ok());
    assert_reason(&other.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    let status = world.nobody().refresh_token(refresh(&other.tokens.refresh_token)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    let status = world.nobody().login(credentials("alice", PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    world.nobody().login(credentials("alice", NEW)).await.expect("logged in");
}

#[tokio::test]
async fn a_stolen_token_is_not_enough_to_guess_the_password() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let change = |current: &str| pb::ChangePasswordRequest {
        user_id: alice.id.clone(),
        current_password: current.into(),
        new_password: NEW.into(),
    };
    for _ in 0..5 {
        let status = alice.client.clone().change_password(change("wrong password")).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    }
    let status = alice.client.clone().change_password(change(PASSWORD)).await.unwrap_err();
    assert_reason(&status, Code::ResourceExhausted, "ACCOUNT_LOCKED");
    // It is that session that is locked: its owner logs in, and shuts it out.
    let owner = world.login("alice").await;
    owner.client.clone().change_password(change(PASSWORD)).await.expect("changed");
    assert_reason(&alice.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
}

#[tokio::test]
async fn strangers_who_guess_at_the_log_in_cannot_keep_its_owner_from_what_takes_the_password() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let lock = async || {
        for name in ["alice", "alice@example.org"] {
            for _ in 0..6 {
                world.nobody().login(credentials(name, "wrong password")).await.unwrap_err();
            }
        }
    };
    lock().await;
    let change = pb::ChangePasswordRequest {
        user_id: alice.id.clone(),
        current_password: PASSWORD.into(),
        new_password: NEW.into(),
    };
    alice.client.clone().change_password(change).await.expect("changed");
    world.nobody().login(credentials("alice", NEW)).await.expect("a new password opens the log-in again");
    lock().await;
    let delete = pb::DeleteAccountRequest { user_id: alice.id.clone(), password: NEW.into() };
    alice.client.clone().delete_account(delete).await.expect("deleted");
}

#[tokio::test]
async fn of_ten_right_changes_at_once_one_is_made_and_nobody_is_locked_out() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let change = |current: &str, new: &str| pb::ChangePasswordRequest {
        user_id: alice.id.clone(),
        current_password: current.into(),
        new_password: new.into(),
    };
    let answers = at_once(10, |_| {
        let (mut client, request) = (alice.client.clone(), change(PASSWORD, NEW));
        async move { client.change_password(request).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for status in answers.into_iter().filter_map(Result::err) {
        assert_reason(&status, Code::Unauthenticated, "INVALID_CREDENTIALS");
    }
    alice.client.clone().change_password(change(NEW, "a third password")).await.expect("not locked");
}

#[tokio::test]
async fn no_session_of_the_old_password_outlives_the_change() {
    let world = World::start().await;
    for i in 0..8 {
        let name = format!("person{i}");
        let person = world.register(&name).await;
        let (mut nobody, mut own) = (world.nobody(), person.client.clone());
        let change = pb::ChangePasswordRequest {
            user_id: person.id.clone(),
            current_password: PASSWORD.into(),
            new_password: NEW.into(),
        };
        let (logged_in, changed) =
            tokio::join!(nobody.login(credentials(&name, PASSWORD)), own.change_password(change));
        changed.expect("changed");
        if let Ok(answer) = logged_in {
            let token = answer.into_inner().tokens.expect("tokens").refresh_token;
            let status = world.nobody().refresh_token(refresh(&token)).await.unwrap_err();
            assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
        }
    }
}

async fn ask(world: &World, email: &str) {
    let request = pb::RequestPasswordResetRequest { email: email.into() };
    world.nobody().request_password_reset(request).await.expect("always");
}

#[tokio::test]
async fn a_mail_sets_a_new_password_and_ends_every_session() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    for _ in 0..6 {
        world.nobody().login(credentials("alice", "wrong password")).await.unwrap_err();
    }
    ask(&world, "nobody@example.org").await;
    ask(&world, "ALICE@example.org").await;
    let token = world.token_of_mail(1).await;
    assert!(world.mail.mails()[0].contains("To: alice@example.org"), "{}", world.mail.mails()[0]);
    let reset = |token: &str, new: &str| pb::ResetPasswordRequest { token: token.into(), new_password: new.into() };
    let status = world.nobody().reset_password(reset(&token, "short")).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    world.nobody().reset_password(reset(&token, NEW)).await.expect("reset");
    assert_reason(&alice.me().await.unwrap_err(), Code::Unauthenticated, "TOKEN_REVOKED");
    // The lock-out is lifted, and who reads the mailbox has shown that it is theirs.
    let answer = world.nobody().login(credentials("alice", NEW)).await.expect("logged in").into_inner();
    assert!(answer.user.expect("user").email_verified);
    let status = world.nobody().reset_password(reset(&token, NEW)).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
}

#[tokio::test]
async fn a_reset_token_is_good_once_for_an_hour_and_until_the_next() {
    let world = World::start().await;
    world.register("alice").await;
    let reset = |token: &str| pb::ResetPasswordRequest { token: token.into(), new_password: NEW.into() };
    ask(&world, "alice@example.org").await;
    let first = world.token_of_mail(1).await;
    world.hands.advance(Duration::from_secs(60));
    ask(&world, "alice@example.org").await;
    let second = world.token_of_mail(2).await;
    let status = world.nobody().reset_password(reset(&first)).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
    let answers = at_once(8, |_| {
        let (mut client, request) = (world.nobody(), reset(&second));
        async move { client.reset_password(request).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);

    ask(&world, "alice@example.org").await;
    let third = world.token_of_mail(3).await;
    world.hands.advance(Duration::from_secs(3600));
    let status = world.nobody().reset_password(reset(&third)).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
}

#[tokio::test]
async fn who_asks_again_and_again_neither_floods_a_mailbox_nor_spoils_its_token() {
    let mut world = World::start().await;
    world.register("alice").await;
    ask(&world, "alice@example.org").await;
    let token = world.token_of_mail(1).await;
    world.hands.advance(Duration::from_secs(59));
    for _ in 0..20 {
        ask(&world, "Alice@example.org").await;
    }
    // A stop sends what waits.
    world.restart().await;
    assert_eq!(world.mail.mails().len(), 1);
    let reset = pb::ResetPasswordRequest { token, new_password: NEW.into() };
    world.nobody().reset_password(reset).await.expect("the first mail's token is still good");
}
