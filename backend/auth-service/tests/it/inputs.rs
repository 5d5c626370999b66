//! Fields out of bounds are refused by name.

use errors::ErrorDetailsOf;
use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::{Code, Status};

use crate::world::{PASSWORD, World, credentials, registration};

fn refused(status: &Status, field: &str) {
    assert_reason(status, Code::InvalidArgument, "INVALID_ARGUMENT");
    assert_eq!(status.violated_fields(), [field], "{status:?}");
}

#[tokio::test]
async fn registration_names_the_field_that_is_wrong() {
    let world = World::start().await;
    let base = || registration("alice");
    let long = "x".repeat(100_000);
    let cases = [
        (pb::RegisterRequest { username: String::new(), ..base() }, "username"),
        (pb::RegisterRequest { username: "al".into(), ..base() }, "username"),
        (pb::RegisterRequest { username: "a".repeat(33), ..base() }, "username"),
        (pb::RegisterRequest { username: "al ice".into(), ..base() }, "username"),
        (pb::RegisterRequest { username: "alice\0".into(), ..base() }, "username"),
        (pb::RegisterRequest { email: String::new(), ..base() }, "email"),
        (pb::RegisterRequest { email: "alice".into(), ..base() }, "email"),
        (pb::RegisterRequest { email: format!("{long}@example.org"), ..base() }, "email"),
        (pb::RegisterRequest { password: "1234567".into(), ..base() }, "password"),
        (pb::RegisterRequest { password: "x".repeat(129), ..base() }, "password"),
        (pb::RegisterRequest { password: long.clone(), ..base() }, "password"),
        (pb::RegisterRequest { display_name: Some(String::new()), ..base() }, "display_name"),
        (pb::RegisterRequest { display_name: Some("x".repeat(65)), ..base() }, "display_name"),
        (pb::RegisterRequest { display_name: Some("a\0b".into()), ..base() }, "display_name"),
    ];
    for (request, field) in cases {
        refused(&world.nobody().register(request).await.unwrap_err(), field);
    }
}

#[tokio::test]
async fn other_calls_name_the_field_that_is_wrong() {
    let world = World::start().await;
    let (alice, root, service) = (world.register("alice").await, world.admin("root").await, world.service().await);
    let (mut anyone, mut own, mut admin, mut peer) =
        (world.nobody(), alice.client.clone(), root.client.clone(), service);
    let base = || credentials("alice", PASSWORD);
    for (request, field) in [
        (pb::LoginRequest { identifier: String::new(), ..base() }, "identifier"),
        (pb::LoginRequest { identifier: "x".repeat(255), ..base() }, "identifier"),
        (pb::LoginRequest { identifier: "a\0b".into(), ..base() }, "identifier"),
        (pb::LoginRequest { password: String::new(), ..base() }, "password"),
        (pb::LoginRequest { password: "x".repeat(1025), ..base() }, "password"),
        (pb::LoginRequest { totp_code: Some("x".repeat(65)), ..base() }, "totp_code"),
        (pb::LoginRequest { device_name: Some("x".repeat(101)), ..base() }, "device_name"),
        (pb::LoginRequest { device_name: Some("a\0b".into()), ..base() }, "device_name"),
    ] {
        refused(&anyone.login(request).await.unwrap_err(), field);
    }
    refused(&anyone.refresh_token(pb::RefreshTokenRequest::default()).await.unwrap_err(), "refresh_token");
    refused(&anyone.verify_email(pb::VerifyEmailRequest { token: "x".into() }).await.unwrap_err(), "token");
    refused(&anyone.reset_password(pb::ResetPasswordRequest::default()).await.unwrap_err(), "token");
    refused(&anyone.request_password_reset(pb::RequestPasswordResetRequest::default()).await.unwrap_err(), "email");
    refused(&anyone.issue_service_token(pb::IssueServiceTokenRequest::default()).await.unwrap_err(), "client_id");
    for bad in ["x", "Me", "00000000-0000-0000-0000-000000000000", "' OR 1=1 --"] {
        let user_id = bad.to_owned();
        refused(&own.get_user(pb::GetUserRequest { user_id: user_id.clone() }).await.unwrap_err(), "user_id");
        refused(
            &own.revoke_session(pb::RevokeSessionRequest { session_id: user_id.clone() }).await.unwrap_err(),
            "session_id",
        );
        let request = pb::ListSessionsRequest { user_id: user_id.clone(), ..Default::default() };
        refused(&own.list_sessions(request).await.unwrap_err(), "user_id");
        let request = pb::GetUsersByIdsRequest { user_ids: vec![alice.id.clone(), user_id] };
        refused(&peer.get_users_by_ids(request).await.unwrap_err(), "user_ids[1]");
    }
    let request = pb::ListSessionsRequest { user_id: alice.id.clone(), limit: -1, ..Default::default() };
    refused(&own.list_sessions(request).await.unwrap_err(), "limit");
    refused(&own.confirm_totp(pb::ConfirmTotpRequest::default()).await.unwrap_err(), "code");
    refused(&own.disable_totp(pb::DisableTotpRequest::default()).await.unwrap_err(), "code");
    let request = pb::CheckPermissionRequest { user_id: alice.id.clone(), permission: "A b".into() };
    refused(&own.check_permission(request).await.unwrap_err(), "permission");
    let request = pb::ListUsersRequest { search: "x".repeat(255), ..Default::default() };
    refused(&admin.list_users(request).await.unwrap_err(), "search");
    let request = pb::ListUsersRequest { search: "a\0b".into(), ..Default::default() };
    refused(&admin.list_users(request).await.unwrap_err(), "search");
    let request = pb::GrantRoleRequest { user_id: alice.id.clone(), role: "king".into() };
    refused(&admin.grant_role(request).await.unwrap_err(), "role");
}
