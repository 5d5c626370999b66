//! Every RPC against every kind of caller: who has no business there is refused before anything else is looked at.

use authn::Access;
use errors::ErrorDetailsOf;
use futures::future::join_all;
use protos::auth::v1::LoginRequest;
use test_harness::{Outcome, ServiceName, World};
use testkit::{assert_reason, check_status};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::descriptors::access_table;
use crate::tokens::{SigningKey, decoded};

/// Checked by the RPC itself: a session that has ended may end again.
const LOGOUT: &str = "Logout";
const ENDS_SESSIONS: [&str; 2] = ["RevokeAllSessions", "DeleteAccount"];

/// Calls an RPC with an empty request; only the status is of interest, and of a stream how it begins.
async fn call(channel: Channel, service: ServiceName, rpc: &str, token: Option<&str>) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.expect("the service answers");
    let mut request = Request::new(());
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header value"));
    }
    let path: PathAndQuery = format!("/{}/{rpc}", service.grpc()).parse().expect("a path");
    // On the wire a call with one answer is a stream of one.
    let begun = async {
        let answer = grpc.server_streaming(request, path, ProstCodec::<(), ()>::default()).await?;
        answer.into_inner().message().await
    };
    begun.await.map_or_else(|status| status, |_| Status::ok(""))
}

fn rpcs() -> impl Iterator<Item = (ServiceName, &'static str, Access)> {
    ServiceName::ALL
        .into_iter()
        .flat_map(|service| access_table(service).iter().map(move |(rpc, access)| (service, *rpc, *access)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_rpc_that_wants_a_token_takes_a_forged_one() -> Outcome {
    let key = SigningKey::new();
    let world = World::own_signing_with(key.pem.clone()).await;
    let ada = world.person("ada").await?;
    let (header, claims) = decoded(&ada.tokens.access_token);
    let kid = header["kid"].as_str().expect("tokens name their key");

    // First that we sign as the auth service does; else every forgery would be refused for a dull reason.
    let good = key.sign(kid, &claims);
    for (service, rpc) in [
        (ServiceName::Auth, "ListSessions"),
        (ServiceName::User, "GetUserProfile"),
        (ServiceName::Messaging, "GetMessage"),
    ] {
        let status = call(world.channel(service), service, rpc, Some(&good)).await;
        assert_ne!(status.code(), Code::Unauthenticated, "{status:?}");
    }

    let mut forgeries = key.forgeries(&ada.tokens.access_token);
    forgeries.push(("a refresh token".to_owned(), ada.tokens.refresh_token.clone(), "UNAUTHENTICATED"));
    for (service, rpc, access) in rpcs().filter(|(_, rpc, access)| *access != Access::Public || *rpc == LOGOUT) {
        let channel = || world.channel(service);
        let status = call(channel(), service, rpc, None).await;
        assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
        let answers = join_all(forgeries.iter().map(|(_, token, _)| call(channel(), service, rpc, Some(token)))).await;
        for ((what, _, reason), status) in forgeries.iter().zip(answers) {
            let found = (status.code(), status.reason().unwrap_or_default());
            assert_eq!(found, (Code::Unauthenticated, (*reason).to_owned()), "{rpc} ({access:?}) with a token {what}");
            check_status(&status);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_token_does_not_stop_who_logs_in_again() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let login = LoginRequest { identifier: ada.username, password: ada.password, ..Default::default() };
    world.clients("an.old.token").auth.login(login).await?;
    Ok(())
}

/// One of each kind, with an access token.
async fn callers(world: &World) -> Outcome<[(&'static str, String); 3]> {
    Ok([
        ("a person", world.person("person").await?.tokens.access_token),
        ("an administrator", world.administrator().await?.tokens.access_token),
        ("a service", world.service_token("user").await?),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rpc_refuses_the_kinds_of_caller_that_its_row_leaves_out_and_no_other() -> Outcome {
    let world = World::own().await;
    let mut known = callers(&world).await?;
    for (service, rpc, access) in rpcs().filter(|(_, rpc, _)| *rpc != LOGOUT) {
        let allowed = match access {
            Access::Public | Access::Caller => [true, true, true],
            Access::Service => [false, false, true],
            Access::Admin => [false, true, false],
            Access::ServiceOrAdmin => [false, true, true],
        };
        for ((who, token), allowed) in known.iter().zip(allowed) {
            let status = call(world.channel(service), service, rpc, Some(token)).await;
            if !allowed {
                assert_eq!(status.code(), Code::PermissionDenied, "{rpc} as {who}: {status:?}");
                assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
                continue;
            }
            // An empty request is no fault of the server's, whoever sends it.
            let server_fault =
                matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable);
            assert!(!server_fault, "{rpc} as {who}: {status:?}");
            if access == Access::ServiceOrAdmin || access == Access::Admin || access == Access::Service {
                assert_ne!(status.code(), Code::PermissionDenied, "{rpc} as {who}: {status:?}");
            }
            if status.code() != Code::Ok {
                check_status(&status);
            }
        }
        // Where no user is named the caller is meant, and this one ends the caller's sessions.
        if ENDS_SESSIONS.contains(&rpc) {
            known = callers(&world).await?;
        }
    }
    Ok(())
}
