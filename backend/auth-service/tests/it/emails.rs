//! E-mail verification.

use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::World;

#[tokio::test]
async fn a_mail_verifies_the_address_once() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let send = pb::SendEmailVerificationRequest { user_id: alice.id.clone() };
    let verify = |token: &str| pb::VerifyEmailRequest { token: token.into() };
    alice.client.clone().send_email_verification(send.clone()).await.expect("sent");
    let first = world.token_of_mail(1).await;
    world.hands.advance(Duration::from_secs(60));
    alice.client.clone().send_email_verification(send.clone()).await.expect("sent");
    let second = world.token_of_mail(2).await;
    let status = world.nobody().verify_email(verify(&first)).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
    // A token is good for its own purpose only.
    let reset = pb::ResetPasswordRequest { token: second.clone(), new_password: "another password".into() };
    let status = world.nobody().reset_password(reset).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
    world.nobody().verify_email(verify(&second)).await.expect("verified");
    assert!(alice.me().await.expect("me").email_verified);
    let status = world.nobody().verify_email(verify(&second)).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
    let status = alice.client.clone().send_email_verification(send).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "EMAIL_ALREADY_VERIFIED");
}

#[tokio::test]
async fn the_token_of_a_mail_is_good_for_a_day() {
    let world = World::start().await;
    let alice = world.register("alice").await;
    let send = pb::SendEmailVerificationRequest { user_id: alice.id.clone() };
    alice.client.clone().send_email_verification(send).await.expect("sent");
    let token = world.token_of_mail(1).await;
    world.hands.advance(Duration::from_secs(24 * 3600));
    let status = world.nobody().verify_email(pb::VerifyEmailRequest { token }).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
}
