//! Requests to the auth service.

use protos::auth::v1::LoginRequest;
use serde_json::json;
use test_harness::grpc_helpers::unexpected;
use test_harness::{Outcome, SERVICE_SECRET, World};

use super::{Ask, nobodys_id};
use crate::authorization::scene::Scene;

/// A token as mails carry them, but of no mail.
const NO_MAILS_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

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
        "RevokeAllSessions"
        | "SendEmailVerification"
        | "CheckUserExists"
        | "GetUserPermissions"
        | "RecordFailedLogin" => Ask::new(of_person),
        other => return Err(unexpected(format!("nobody knows how to ask for {other}"))),
    };
    Ok(ask)
}
