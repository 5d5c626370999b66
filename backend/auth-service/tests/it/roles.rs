//! Roles and permissions.

use protos::auth::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World};

fn grant(person: &Person, role: &str) -> pb::GrantRoleRequest {
    pb::GrantRoleRequest { user_id: person.id.clone(), role: role.into() }
}

fn revoke(person: &Person, role: &str) -> pb::RevokeRoleRequest {
    pb::RevokeRoleRequest { user_id: person.id.clone(), role: role.into() }
}

#[tokio::test]
async fn a_role_comes_with_the_next_token_and_goes_at_once() {
    let world = World::start().await;
    let (root, alice) = (world.admin("root").await, world.register("alice").await);
    let mut admin = root.client.clone();
    for _ in 0..2 {
        admin.grant_role(grant(&alice, "admin")).await.expect("granted");
    }
    let status = alice.client.clone().list_users(pb::ListUsersRequest::default()).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    let alice = world.login("alice").await;
    alice.client.clone().list_users(pb::ListUsersRequest::default()).await.expect("an administrator");

    for _ in 0..2 {
        admin.revoke_role(revoke(&alice, "admin")).await.expect("revoked");
    }
    let status = alice.client.clone().list_users(pb::ListUsersRequest::default()).await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    let status = world.login("alice").await.client.list_users(pb::ListUsersRequest::default()).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
}

#[tokio::test]
async fn permissions_follow_roles() {
    let world = World::start().await;
    let (root, alice) = (world.admin("root").await, world.register("alice").await);
    let allowed = async |permission: &str| {
        let request = pb::CheckPermissionRequest { user_id: alice.id.clone(), permission: permission.into() };
        world.service().await.check_permission(request).await.expect("answered").into_inner().allowed
    };
    assert!(allowed("message:send").await && !allowed("message:moderate").await && !allowed("no:such").await);
    root.client.clone().grant_role(grant(&alice, "moderator")).await.expect("granted");
    assert!(allowed("message:moderate").await && !allowed("role:manage").await);

    let request = pb::GetUserPermissionsRequest { user_id: alice.id.clone() };
    let own = alice.client.clone().get_user_permissions(request.clone()).await.expect("answered").into_inner();
    assert_eq!(own.roles, ["moderator", "user"]);
    assert!(own.permissions.is_sorted() && own.permissions.contains(&"profile:moderate".to_owned()));

    sqlx::query("UPDATE users SET active = false WHERE username = 'alice'")
        .execute(&mut world.database.connect().await)
        .await
        .unwrap();
    assert!(!allowed("message:send").await, "a disabled account may nothing");
}

#[tokio::test]
async fn somebody_must_be_left_to_run_the_place() {
    let world = World::start().await;
    let (root, other) = (world.admin("root").await, world.admin("other").await);
    // Each takes the role from the other at the same moment: one of them keeps it.
    let (mut by_root, mut by_other) = (root.client.clone(), other.client.clone());
    let (first, second) =
        tokio::join!(by_root.revoke_role(revoke(&other, "admin")), by_other.revoke_role(revoke(&root, "admin")));
    assert!(first.is_ok() || second.is_ok());
    let mut conn = world.database.connect().await;
    let admins: i64 =
        sqlx::query_scalar("SELECT count(*) FROM user_roles WHERE role = 'admin'").fetch_one(&mut conn).await.unwrap();
    assert_eq!(admins, 1);
    let left = if first.is_ok() { root } else { other };
    let status = left.client.clone().revoke_role(revoke(&left, "admin")).await.unwrap_err();
    assert_reason(&status, Code::FailedPrecondition, "LAST_ADMIN");
}

#[tokio::test]
async fn unknown_roles_and_people_are_refused() {
    let world = World::start().await;
    let (root, alice) = (world.admin("root").await, world.register("alice").await);
    let mut admin = root.client.clone();
    for role in ["", "user", "service", "Admin", "king"] {
        let status = admin.grant_role(grant(&alice, role)).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
    let nobody = pb::GrantRoleRequest { user_id: "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a".into(), role: "admin".into() };
    assert_reason(&admin.grant_role(nobody).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
}
