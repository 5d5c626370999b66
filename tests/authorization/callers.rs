//! Who calls: their tokens, good and forged.

use std::time::Duration;

use authn::CallerKind;
use protos::auth::v1::{GetUserRequest, LoginRequest, LogoutRequest};
use protos::messaging::v1::ListConversationsRequest;
use protos::user::v1::GetUserSettingsRequest;
use test_harness::grpc_helpers::unexpected;
use test_harness::{Outcome, Person, Refusal, World};

use crate::tokens::SigningKey;

/// A revoked session is refused by every service within a second; here the machine may be busy.
const REVOKED_WITHIN: Duration = Duration::from_secs(10);

/// A forgery of a good token.
///
/// # Panics
/// For a kind of caller whose token is no forgery.
pub fn forged(key: &SigningKey, kind: CallerKind, good: &str) -> String {
    let label = match kind {
        CallerKind::Expired => "expired",
        CallerKind::WrongSignature => "signed with another key",
        CallerKind::AlgorithmNone => "alg none",
        CallerKind::PublicKeyAsSecret => "HS256 with the public key, form 0",
        other => panic!("{other:?} forges nothing"),
    };
    let forgeries = key.forgeries(good);
    forgeries.into_iter().find(|(what, ..)| what == label).expect("there is such a forgery").1
}

/// A token of a session of the person that has ended, once every service knows it.
pub async fn revoked(world: &World, person: &Person) -> Outcome<String> {
    let login =
        LoginRequest { identifier: person.username.clone(), password: person.password.clone(), ..Default::default() };
    let tokens = world.nobody().auth.login(login).await?.into_inner().tokens;
    let token = tokens.ok_or_else(|| unexpected("Login answered without tokens"))?.access_token;
    let clients = world.clients(&token);
    clients.auth.clone().logout(LogoutRequest {}).await?;
    testkit::eventually("the session is refused everywhere", REVOKED_WITHIN, || {
        let mut clients = clients.clone();
        async move {
            let user = GetUserRequest { user_id: "me".to_owned() };
            let settings = GetUserSettingsRequest { user_id: "me".to_owned() };
            let is_known = clients.auth.get_user(user).await.is_refused("TOKEN_REVOKED")
                && clients.user.get_user_settings(settings).await.is_refused("TOKEN_REVOKED")
                && clients
                    .messaging
                    .list_conversations(ListConversationsRequest::default())
                    .await
                    .is_refused("TOKEN_REVOKED");
            is_known.then_some(())
        }
    })
    .await;
    Ok(token)
}
