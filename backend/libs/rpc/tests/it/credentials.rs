//! Our own identity, whatever the auth service does.

use std::time::Duration;

use rpc::{Bounds, Credentials};
use testkit::eventually;
use tonic::{Code, Status};

use crate::PATIENCE;
use crate::fake::{Fake, Mode, call};

#[tokio::test]
async fn an_auth_service_that_hangs_holds_nobody_up_while_the_old_token_holds() {
    let (auth, user) = (Fake::start(Mode::Token(3)).await, Fake::start(Mode::Well).await);
    let credentials = Credentials::new(auth.channel(PATIENCE, &Bounds::default()), "messaging", "secret".into());
    let channel = user.channel(Duration::from_secs(1), &Bounds::default()).with(credentials);
    call(&channel).await.expect("it is well");
    assert_eq!((auth.calls(), user.header("authorization").as_deref()), (1, Some("Bearer token")));
    auth.now(Mode::Silent);
    let renewing = async || {
        call(&channel).await.expect("the old token holds");
        (auth.calls() == 2).then_some(())
    };
    eventually("it is renewed in the background", PATIENCE, renewing).await;
    call(&channel).await.expect("the old token holds");
    assert_eq!(auth.calls(), 2, "one at a time");
}

#[tokio::test]
async fn a_peer_that_refuses_every_token_sends_no_flood_to_the_auth_service() {
    let (auth, user) = (Fake::start(Mode::Token(900)).await, Fake::start(Mode::Well).await);
    user.now(Mode::Fail(Status::unauthenticated("never")));
    let credentials = Credentials::new(auth.channel(PATIENCE, &Bounds::default()), "messaging", "secret".into());
    let channel = user.channel(PATIENCE, &Bounds::default()).with(credentials);
    let begun = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(call(&channel).await.expect_err("refused").code(), Code::Unauthenticated);
    }
    let most = begun.elapsed().as_millis() / 200 + 1;
    assert!(u128::from(auth.calls()) <= most, "{} tokens", auth.calls());
    assert_eq!(user.calls(), 100);
}

#[tokio::test]
async fn a_slow_auth_service_is_no_fault_of_another_peers() {
    let (auth, user) = (Fake::start(Mode::Silent).await, Fake::start(Mode::Well).await);
    let credentials = Credentials::new(auth.channel(PATIENCE, &Bounds::default()), "messaging", "secret".into());
    let anonymous = user.channel(Duration::from_millis(100), &Bounds::default());
    let channel = anonymous.clone().with(credentials);
    for _ in 0..6 {
        assert_eq!(call(&channel).await.expect_err("no token").code(), Code::DeadlineExceeded);
    }
    assert_eq!(user.calls(), 0);
    call(&anonymous).await.expect("its circuit is closed");
    assert_eq!(auth.calls(), 1, "all wait for the same answer");
}
