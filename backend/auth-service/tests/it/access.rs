//! Every RPC with every kind of caller.

use authn::Access;
use errors::ErrorDetailsOf;
use prost_reflect::DescriptorPool;
use testkit::{As, Authorized, assert_reason, check_status};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::world::World;

/// Calls an RPC with an empty request.
async fn call(world: &World, who: As, rpc: &str) -> Result<(), Status> {
    let mut client: tonic::client::Grpc<Authorized> = tonic::client::Grpc::new(who.on(world.channel()));
    client.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
    let path: PathAndQuery = format!("/nova.auth.v1.AuthService/{rpc}").parse().expect("a path");
    client.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await.map(|_| ())
}

#[test]
fn every_rpc_has_a_row() {
    let pool = DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("descriptors");
    let service = pool.get_service_by_name("nova.auth.v1.AuthService").expect("the service");
    let mut rpcs: Vec<String> = service.methods().map(|method| method.name().to_owned()).collect();
    let mut rows: Vec<&str> = auth_service::grpc::ACCESS.iter().map(|(name, _)| *name).collect();
    rpcs.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rpcs, rows);
}

#[tokio::test]
async fn nobody_gets_past_an_rpc_that_wants_a_token() {
    let world = World::start().await;
    for (rpc, access) in auth_service::grpc::ACCESS {
        let status = call(&world, As::nobody(), rpc).await.unwrap_err();
        if *access != Access::Public || *rpc == "Logout" {
            assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
            let status = call(&world, As::token("no.such.token"), rpc).await.unwrap_err();
            assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
        } else {
            assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
        }
    }
}

#[tokio::test]
async fn each_kind_of_caller_gets_where_its_row_says() {
    let world = World::start().await;
    world.register("alice").await;
    world.admin("root").await;
    let service = {
        let request = protos::auth::v1::IssueServiceTokenRequest {
            client_id: "user".into(),
            client_secret: crate::world::CLIENT_SECRET.into(),
        };
        world.nobody().issue_service_token(request).await.expect("issued").into_inner().access_token
    };
    for (rpc, access) in auth_service::grpc::ACCESS.iter().filter(|(rpc, _)| *rpc != "Logout") {
        // An empty request means the caller's own, and RevokeAllSessions does it.
        let (person, admin) = (world.login("alice").await, world.login("root").await);
        let callers = [
            (&person.tokens.access_token, matches!(access, Access::Public | Access::Caller)),
            (&admin.tokens.access_token, !matches!(access, Access::Service)),
            (&service, !matches!(access, Access::Admin)),
        ];
        for (i, (token, may)) in callers.into_iter().enumerate() {
            match call(&world, As::token(token), rpc).await {
                Ok(()) => assert!(may, "{rpc} answered caller {i}"),
                Err(status) => {
                    check_status(&status);
                    let refused = status.code() == Code::PermissionDenied;
                    // A service is no person: it has no second factor and no session of its own.
                    let no_person = i == 2 && rpc.ends_with("TotpEnrollment");
                    assert_eq!(refused, !may || no_person, "{rpc} and caller {i}: {status:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn people_do_not_get_at_each_other() {
    use protos::auth::v1 as pb;
    let world = World::start().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let mut bobs = bob.client.clone();
    let id = alice.id.clone();
    let session_id = alice.tokens.session_id.clone();
    let statuses = [
        bobs.get_user(pb::GetUserRequest { user_id: id.clone() }).await.unwrap_err(),
        bobs.list_sessions(pb::ListSessionsRequest { user_id: id.clone(), ..Default::default() }).await.unwrap_err(),
        bobs.revoke_all_sessions(pb::RevokeAllSessionsRequest { user_id: id.clone(), keep_current: false })
            .await
            .unwrap_err(),
        bobs.change_password(pb::ChangePasswordRequest {
            user_id: id.clone(),
            current_password: crate::world::PASSWORD.into(),
            new_password: "another password".into(),
        })
        .await
        .unwrap_err(),
        bobs.send_email_verification(pb::SendEmailVerificationRequest { user_id: id.clone() }).await.unwrap_err(),
        bobs.delete_account(pb::DeleteAccountRequest { user_id: id.clone(), password: crate::world::PASSWORD.into() })
            .await
            .unwrap_err(),
        bobs.check_permission(pb::CheckPermissionRequest { user_id: id.clone(), permission: "message:send".into() })
            .await
            .unwrap_err(),
        bobs.get_user_permissions(pb::GetUserPermissionsRequest { user_id: id }).await.unwrap_err(),
    ];
    for status in &statuses {
        assert_reason(status, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    // That there is such a session is none of his business.
    let status = bobs.revoke_session(pb::RevokeSessionRequest { session_id }).await.unwrap_err();
    assert_eq!((status.code(), status.reason().as_deref()), (Code::NotFound, Some("SESSION_NOT_FOUND")));
    assert!(alice.me().await.is_ok());
}
