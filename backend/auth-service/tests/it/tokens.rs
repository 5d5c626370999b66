//! Service tokens, checking tokens, and what other services follow.

use std::time::Duration;

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{CLIENT_SECRET, Client, World};

fn client(id: &str, secret: &str) -> pb::IssueServiceTokenRequest {
    pb::IssueServiceTokenRequest { client_id: id.into(), client_secret: secret.into() }
}

async fn verify(service: &Client, token: &str) -> pb::VerifyTokenResponse {
    service.clone().verify_token(pb::VerifyTokenRequest { token: token.into() }).await.expect("answered").into_inner()
}

#[tokio::test]
async fn a_service_gets_a_token_for_its_secret() {
    let world = World::start().await;
    let issued = world.nobody().issue_service_token(client("user", CLIENT_SECRET)).await.expect("issued").into_inner();
    assert_eq!(issued.expires_in, 900);
    let service = world.with(&issued.access_token);
    let verified = verify(&service, &issued.access_token).await;
    assert!(verified.valid && verified.user_id.is_empty() && verified.session_id.is_empty() && !verified.revoked);
    assert_eq!((verified.username.as_str(), verified.roles), ("user", vec!["service".to_owned()]));
    for (id, secret) in [("user", "wrong secret"), ("nobody", CLIENT_SECRET), ("messaging", "")] {
        let status = world.nobody().issue_service_token(client(id, secret)).await.unwrap_err();
        match secret {
            "" => assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT"),
            _ => assert_reason(&status, Code::Unauthenticated, "CLIENT_CREDENTIALS_INVALID"),
        }
    }
}

#[tokio::test]
async fn a_changed_client_secret_holds_after_a_restart() {
    let mut world = World::start().await;
    world.config.service_clients.insert("user".into(), "another secret of it".into());
    world.restart().await;
    let status = world.nobody().issue_service_token(client("user", CLIENT_SECRET)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "CLIENT_CREDENTIALS_INVALID");
    world.nobody().issue_service_token(client("user", "another secret of it")).await.expect("issued");
}

#[tokio::test]
async fn a_token_is_verified_for_who_asks() {
    let world = World::start().await;
    let (alice, root) = (world.register("alice").await, world.admin("root").await);
    let service = world.service().await;
    let good = verify(&service, &alice.tokens.access_token).await;
    assert!(good.valid && !good.revoked);
    assert_eq!(
        (good.user_id.as_str(), good.username.as_str(), good.email.as_str()),
        (alice.id.as_str(), "alice", "alice@example.org")
    );
    assert_eq!(
        (good.session_id.as_str(), good.expires_at.as_deref()),
        (alice.tokens.session_id.as_str(), Some("2026-06-01T12:15:00.000000Z"))
    );
    assert_eq!(verify(&service, &root.tokens.access_token).await.roles, ["admin", "user"]);

    let forged = format!("{}x", alice.tokens.access_token);
    for bad in ["", "x", "a.b.c", forged.as_str(), &"a".repeat(100_000)] {
        assert_eq!(verify(&service, bad).await, pb::VerifyTokenResponse::default(), "{bad:.20}");
    }

    alice.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    let revoked = verify(&service, &alice.tokens.access_token).await;
    assert!(!revoked.valid && revoked.revoked && revoked.user_id.is_empty() && revoked.roles.is_empty());
    assert_eq!(revoked.session_id, alice.tokens.session_id);

    world.hands.advance(Duration::from_secs(900));
    let service = world.service().await;
    let expired = verify(&service, &root.tokens.access_token).await;
    assert!(!expired.valid && !expired.revoked && expired.email.is_empty());
    assert_eq!(expired.expires_at.as_deref(), Some("2026-06-01T12:15:00.000000Z"));
}

#[tokio::test]
async fn services_follow_keys_and_ended_sessions() {
    let world = World::start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let service = world.service().await;
    let state = async |since: Option<&str>, page_token: &str| {
        let request = pb::GetTokenStateRequest { since: since.map(str::to_owned), page_token: page_token.into() };
        service.clone().get_token_state(request).await.map(tonic::Response::into_inner)
    };
    let ids = |state: &pb::GetTokenStateResponse| -> Vec<String> {
        state.revoked_sessions.iter().map(|session| session.session_id.clone()).collect()
    };
    let first = state(None, "").await.expect("answered");
    assert_eq!((first.keys.len(), first.revoked_sessions.len(), first.next_page_token.as_str()), (1, 0, ""));
    assert_eq!(
        (first.keys[0].alg.as_str(), first.keys[0].kty.as_str(), first.keys[0].crv.as_str()),
        ("EdDSA", "OKP", "Ed25519")
    );

    alice.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    let second = state(Some(&first.as_of), "").await.expect("answered");
    assert_eq!(ids(&second), [alice.tokens.session_id.as_str()]);
    // Told again for a while, in case the first telling came too early to know all.
    world.hands.advance(Duration::from_secs(10));
    bob.client.clone().logout(pb::LogoutRequest {}).await.expect("logged out");
    let third = state(Some(&second.as_of), "").await.expect("answered");
    assert_eq!(ids(&third), [alice.tokens.session_id.as_str(), bob.tokens.session_id.as_str()]);
    world.hands.advance(Duration::from_secs(16));
    let fourth = state(Some("2026-06-01T12:00:26Z"), "").await.expect("answered");
    assert_eq!(ids(&fourth), Vec::<String>::new());
    // Who starts now is told of every session whose tokens could still be alive.
    assert_eq!(ids(&state(None, "").await.expect("answered")).len(), 2);

    assert_reason(&state(Some("yesterday"), "").await.unwrap_err(), Code::InvalidArgument, "INVALID_ARGUMENT");
    assert_reason(&state(None, "bogus").await.unwrap_err(), Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn a_client_that_is_configured_no_more_is_known_no_more() {
    let mut world = World::start().await;
    let gone = "a secret of a bridge that is gone";
    world.config.service_clients.insert("bridge".into(), gone.into());
    world.restart().await;
    world.nobody().issue_service_token(client("bridge", gone)).await.expect("issued");
    world.config.service_clients.remove("bridge");
    world.restart().await;
    let status = world.nobody().issue_service_token(client("bridge", gone)).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "CLIENT_CREDENTIALS_INVALID");
    world.nobody().issue_service_token(client("user", CLIENT_SECRET)).await.expect("the others are");
}
