//! Keys and ended sessions, fetched from the auth service.

use std::sync::Arc;
use std::time::Duration;

use authn::Verifier;
use clock::Clock;
use rpc::{Bounds, follow_token_state};
use testkit::eventually;

use crate::PATIENCE;
use crate::fake::{Fake, Mode};

#[tokio::test]
async fn keys_that_are_expected_are_fetched_before_their_turn() {
    let auth = Fake::start(Mode::Well).await;
    let verifier = Arc::new(Verifier::new(Clock::system(), "nova", "nova"));
    let (fed, channel) = (Arc::clone(&verifier), auth.channel(PATIENCE, &Bounds::default()));
    let following = tokio::spawn(async move { follow_token_state(&fed, channel, Duration::from_secs(3600)).await });
    verifier.ready().await;
    assert_eq!(auth.calls(), 1);
    for _ in 0..1_000 {
        verifier.expect_keys();
    }
    eventually("they are fetched", PATIENCE, async || (auth.calls() > 1).then_some(())).await;
    assert!(auth.calls() <= 3, "{} looks: what is said a thousand times is one thing", auth.calls());
    following.abort();
}
