//! Keys that are replaced while tokens are being checked.

use std::sync::Arc;

use authn::Denied;
use ids::UserId;
use testkit::{Tokens, mock_clock};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_that_was_being_checked_when_its_key_went_is_refused_from_then_on() {
    let (clock, _hands) = mock_clock();
    let (old, new) = (Tokens::new(clock.clone()), Tokens::new(clock.clone()));
    let verifier = old.verifier();
    for _ in 0..500 {
        verifier.install(old.jwks()).expect("a key set");
        let token: Arc<str> = old.person(UserId::generate(clock.now())).into();
        let checks: Vec<_> = (0..4)
            .map(|_| {
                let (verifier, token) = (Arc::clone(&verifier), Arc::clone(&token));
                tokio::spawn(async move { verifier.verify(&token).await })
            })
            .collect();
        tokio::task::yield_now().await;
        verifier.install(new.jwks()).expect("a key set");
        for check in checks {
            // Before or after: both may be.
            let _ = check.await.expect("nothing panics");
        }
        assert_eq!(verifier.verify(&token).await.err(), Some(Denied::TokenInvalid));
    }
}
