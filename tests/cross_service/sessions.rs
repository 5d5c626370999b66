//! A session that ends, and an account that is deleted, are over in every service.

use std::time::Duration;

use protos::auth::v1::{
    DeleteAccountRequest, LoginRequest, LogoutRequest, RefreshTokenRequest, RevokeAllSessionsRequest, Tokens,
};
use protos::messaging::v1::ListConversationsRequest;
use protos::user::v1::GetUserSettingsRequest;
use test_harness::grpc_helpers::Clients;
use test_harness::{Outcome, Person, Refusal, World};
use testkit::eventually;
use tonic::Code;

const A_SECOND: Duration = Duration::from_secs(1);

/// Waits until user and messaging service refuse the token, a second at most.
async fn refused_by_the_others(clients: &Clients) {
    let reason = "TOKEN_REVOKED";
    let user = eventually("the user service refuses the token", A_SECOND, || async {
        let answer = clients.user.clone().get_user_settings(GetUserSettingsRequest { user_id: "me".to_owned() }).await;
        answer.is_refused(reason).then_some(answer)
    });
    let messaging = eventually("the messaging service refuses the token", A_SECOND, || async {
        let answer = clients.messaging.clone().list_conversations(ListConversationsRequest::default()).await;
        answer.is_refused(reason).then_some(answer)
    });
    let (user, messaging) = futures::future::join(user, messaging).await;
    user.refused(Code::Unauthenticated, reason);
    messaging.refused(Code::Unauthenticated, reason);
}

async fn log_in(world: &World, person: &Person) -> Outcome<(Tokens, Clients)> {
    let request =
        LoginRequest { identifier: person.username.clone(), password: person.password.clone(), ..Default::default() };
    let tokens = world.nobody().auth.login(request).await?.into_inner().tokens.expect("tokens");
    let clients = world.clients(&tokens.access_token);
    Ok((tokens, clients))
}

#[tokio::test]
async fn a_session_that_logs_out_is_refused_by_every_service_within_a_second() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    ada.settings().await?;
    ada.unread(None).await?; // both have the token in their memory now
    ada.clients.auth.clone().logout(LogoutRequest {}).await?;
    refused_by_the_others(&ada.clients).await;
    ada.clients.auth.clone().logout(LogoutRequest {}).await?; // may be repeated
    let refresh = RefreshTokenRequest { refresh_token: ada.tokens.refresh_token.clone() };
    world.nobody().auth.refresh_token(refresh).await.map(drop).expect_err("the session has ended");
    Ok(())
}

#[tokio::test]
async fn ending_all_other_sessions_keeps_the_one_that_asks() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let (_, second) = log_in(&world, &ada).await?;
    let (_, third) = log_in(&world, &ada).await?;
    let request = RevokeAllSessionsRequest { user_id: ada.id.clone(), keep_current: true };
    let revoked = ada.clients.auth.clone().revoke_all_sessions(request).await?.into_inner().revoked_count;
    assert_eq!(revoked, 2);
    refused_by_the_others(&second).await;
    refused_by_the_others(&third).await;
    ada.settings().await?;
    ada.unread(None).await?;
    Ok(())
}

#[tokio::test]
async fn a_refreshed_token_is_good_in_every_service() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let request = RefreshTokenRequest { refresh_token: ada.tokens.refresh_token.clone() };
    let tokens = world.nobody().auth.refresh_token(request).await?.into_inner().tokens.expect("tokens");
    assert_eq!(tokens.session_id, ada.tokens.session_id);
    let again = Person { clients: world.clients(&tokens.access_token), tokens, ..ada.clone() };
    again.settings().await?;
    assert_eq!(again.unread(None).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_deleted_account_is_gone_for_everybody() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    ada.follow(&bob).await?;
    let conversation = bob.direct_with(&ada).await?.id;
    bob.send(&conversation, "still there?").await?;

    let request = DeleteAccountRequest { user_id: ada.id.clone(), password: ada.password.clone() };
    ada.clients.auth.clone().delete_account(request).await?;
    refused_by_the_others(&ada.clients).await;
    eventually("the profile is gone", Duration::from_secs(5), || async {
        bob.profile_of(&ada.id).await.is_refused("USER_NOT_FOUND").then_some(())
    })
    .await;
    bob.profile_of(&ada.id).await.refused(Code::NotFound, "USER_NOT_FOUND");
    assert_eq!(bob.profile_of("me").await?.follower_count, 0, "a follow ends with its follower");
    eventually("messages to nobody are refused", Duration::from_secs(2), || async {
        bob.send(&conversation, "hello?").await.is_refused("USER_NOT_FOUND").then_some(())
    })
    .await;
    log_in(&world, &ada).await.map(drop).refused(Code::Unauthenticated, "INVALID_CREDENTIALS");
    Ok(())
}
