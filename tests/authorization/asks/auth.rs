//! Requests to the auth service.

use authn::CallerKind;
use protos::auth::v1::{CreateWebhookRequest, LoginRequest, SendTestEventRequest};
use serde_json::json;
use test_harness::grpc_helpers::unexpected;
use test_harness::{Outcome, Person, SERVICE_SECRET, World};

use super::{Ask, nobodys_id};
use crate::authorization::scene::Scene;

/// A token as mails carry them, but of no mail.
const NO_MAILS_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Where a webhook leads that nobody receives: this machine, which is refused before anything is sent.
const HOOK: &str = "https://localhost:9999/";

/// A webhook of the caller's, if they may have one.
async fn webhook(scene: &Scene) -> Outcome<String> {
    let Some(caller) = administrator(scene) else { return Ok(nobodys_id()) };
    let request =
        CreateWebhookRequest { url: HOOK.to_owned(), event_types: vec!["*".to_owned()], ..Default::default() };
    let made = caller.clients.auth.clone().create_webhook(request).await?.into_inner().webhook;
    Ok(made.ok_or_else(|| unexpected("CreateWebhook answered without a webhook"))?.id)
}

/// Something on its way to a webhook of the caller's, if they may have one.
async fn delivery(scene: &Scene) -> Outcome<String> {
    let Some(caller) = administrator(scene) else { return Ok(nobodys_id()) };
    let request = SendTestEventRequest { webhook_id: webhook(scene).await? };
    let made = caller.clients.auth.clone().send_test_event(request).await?.into_inner().delivery;
    Ok(made.ok_or_else(|| unexpected("SendTestEvent answered without a delivery"))?.id)
}

fn administrator(scene: &Scene) -> Option<&Person> {
    scene.caller.as_ref().filter(|_| scene.kind == CallerKind::Administrator)
}

pub async fn ask(world: &World, scene: &Scene, rpc: &str) -> Outcome<Ask> {
    let person = &scene.person;
    let of_person = json!({ "user_id": person.id });
    let ask = match rpc {
        "Register" => {
            let name = format!("n{}", &nobodys_id().replace('-', "")[14..]);
            Ask::new(json!({ "username": name, "email": format!("{name}@example.org"), "password": "correct horse" }))
        }
        "Login" => Ask::new(json!({ "identifier": person.username, "password": person.password })),
        "RefreshToken" => {
            let (identifier, password) = (person.username.clone(), person.password.clone());
            let login = LoginRequest { identifier, password, ..Default::default() };
            let tokens = world.nobody().auth.login(login).await?.into_inner().tokens;
            let tokens = tokens.ok_or_else(|| unexpected("Login answered without tokens"))?;
            Ask::new(json!({ "refresh_token": tokens.refresh_token }))
        }
        "Logout" | "BeginTotpEnrollment" | "GetTokenState" => Ask::new(json!({})),
        "RevokeSession" => Ask::new(json!({ "session_id": person.tokens.session_id })),
        "ChangePassword" => {
            let (current, new) = (&person.password, "another password");
            Ask::new(json!({ "user_id": person.id, "current_password": current, "new_password": new }))
        }
        "RequestPasswordReset" => Ask::new(json!({ "email": person.email })),
        "ResetPassword" => Ask::new(json!({ "token": NO_MAILS_TOKEN, "new_password": "another password" })),
        "VerifyEmail" => Ask::new(json!({ "token": NO_MAILS_TOKEN })),
        "ConfirmTotp" | "DisableTotp" => Ask::new(json!({ "code": "000000" })),
        "DeleteAccount" => Ask::new(json!({ "user_id": person.id, "password": person.password })),
        "IssueServiceToken" => Ask::new(json!({ "client_id": "user", "client_secret": SERVICE_SECRET })),
        "VerifyToken" => Ask::showing(json!({ "token": person.tokens.access_token }), &person.email),
        "GetUser" => Ask::showing(of_person, &person.email),
        "GetUsersByIds" => Ask::showing(json!({ "user_ids": [person.id] }), &person.email),
        "GetUserByEmail" => Ask::showing(json!({ "email": person.email }), &person.id),
        "ListUsers" => Ask::showing(json!({ "search": person.username }), &person.email),
        "CheckPermission" => Ask::new(json!({ "user_id": person.id, "permission": "message:moderate" })),
        "GrantRole" | "RevokeRole" => Ask::new(json!({ "user_id": person.id, "role": "moderator" })),
        "ExportAccount" => Ask::showing(of_person, &person.email),
        "ListSessions" => Ask::showing(of_person, &person.tokens.session_id),
        "ListAuditEvents" => Ask::showing(of_person, &person.id),
        "CreateWebhook" => Ask::new(json!({ "url": HOOK, "event_types": ["*"] })),
        "ListWebhooks" | "ListWebhookDeliveries" => Ask::new(json!({})),
        "GetWebhook" | "RotateWebhookSecret" | "DeleteWebhook" => {
            Ask::new(json!({ "webhook_id": webhook(scene).await? }))
        }
        "UpdateWebhook" => Ask::new(json!({ "webhook_id": webhook(scene).await?, "description": "another" })),
        "SendTestEvent" => Ask::new(json!({ "webhook_id": webhook(scene).await? })),
        "ReplayWebhookDeliveries" => {
            Ask::new(json!({ "webhook_id": webhook(scene).await?, "since": "2026-11-23T12:00:00Z" }))
        }
        "GetWebhookDelivery" | "ReplayWebhookDelivery" => Ask::new(json!({ "delivery_id": delivery(scene).await? })),
        "RevokeAllSessions"
        | "SendEmailVerification"
        | "CheckUserExists"
        | "GetUserPermissions"
        | "RecordFailedLogin" => Ask::new(of_person),
        other => return Err(unexpected(format!("nobody knows how to ask for {other}"))),
    };
    Ok(ask)
}
