//! Three services with TLS on every port, that know each other by certificates.

use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{CheckUserExistsRequest, CheckUserExistsResponse};
use test_harness::{Outcome, ServiceName, World};
use testkit::{As, assert_reason};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// An RPC that only services may call.
async fn exists(channel: Channel, token: &str, user_id: &str) -> Result<CheckUserExistsResponse, Status> {
    let mut auth = AuthServiceClient::new(As::token(token).on(channel));
    Ok(auth.check_user_exists(CheckUserExistsRequest { user_id: user_id.to_owned() }).await?.into_inner())
}

#[tokio::test]
async fn everything_works_while_services_check_each_other() -> Outcome {
    let world = World::own_with_tls().await;
    // Registration makes the profile over there, messaging asks who may write to whom, a block tells messaging of itself.
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    assert_eq!(ada.profile_of(&bob.id).await?.username, bob.username);
    let talk = ada.direct_with(&bob).await?.id;
    ada.send(&talk, "over TLS").await?;
    assert_eq!(bob.unread(Some(&talk)).await?, 1);
    bob.block(&ada).await?;
    assert!(ada.send(&talk, "never").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_stolen_service_token_is_worth_nothing_without_the_key() -> Outcome {
    let world = World::own_with_tls().await;
    let ada = world.person("ada").await?;
    let stolen = world.service_token("user").await?;
    let from = |who| world.channel_of(who, ServiceName::Auth);
    let answer = exists(from(Some(ServiceName::User)), &stolen, &ada.id).await.expect("its own service");
    assert!(answer.exists);
    for who in [None, Some(ServiceName::Messaging), Some(ServiceName::Auth)] {
        let status = exists(from(who), &stolen, &ada.id).await.expect_err("not that service");
        assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
    }
    Ok(())
}
