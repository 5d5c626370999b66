//! Every RPC × every kind of caller.

use std::collections::BTreeSet;

use authn::Access;
use protos::user::v1 as pb;
use testkit::{ChaosProxy, TestDatabase, assert_reason, check_status};
use tonic::{Code, Status};
use user_service::grpc::ACCESS;

use crate::world::{Client, World};

/// Calls an RPC by name about `user` (and `other`), as `client`.
async fn call(rpc: &str, mut client: Client, user: &str, other: &str) -> Result<(), Status> {
    let (me, them) = (user.to_owned(), other.to_owned());
    match rpc {
        "GetUserProfile" => client.get_user_profile(pb::GetUserProfileRequest { user_id: me }).await.map(drop),
        "GetUserProfilesByIds" => {
            client.get_user_profiles_by_ids(pb::GetUserProfilesByIdsRequest { user_ids: vec![me] }).await.map(drop)
        }
        "UpdateUserProfile" => {
            let request = pb::UpdateUserProfileRequest { user_id: me, bio: Some("x".to_owned()), ..Default::default() };
            client.update_user_profile(request).await.map(drop)
        }
        "GetUserSettings" => client.get_user_settings(pb::GetUserSettingsRequest { user_id: me }).await.map(drop),
        "UpdateUserSettings" => {
            let request = pb::UpdateUserSettingsRequest { user_id: me, dark_mode: Some(true), ..Default::default() };
            client.update_user_settings(request).await.map(drop)
        }
        "FollowUser" => {
            client.follow_user(pb::FollowUserRequest { follower_id: Some(me), followee_id: them }).await.map(drop)
        }
        "UnfollowUser" => {
            client.unfollow_user(pb::UnfollowUserRequest { follower_id: Some(me), followee_id: them }).await.map(drop)
        }
        "BlockUser" => {
            client.block_user(pb::BlockUserRequest { blocker_id: Some(me), blocked_id: them }).await.map(drop)
        }
        "UnblockUser" => {
            client.unblock_user(pb::UnblockUserRequest { blocker_id: Some(me), blocked_id: them }).await.map(drop)
        }
        "GetUserFollowers" => {
            client.get_user_followers(pb::GetUserFollowersRequest { user_id: me, ..Default::default() }).await.map(drop)
        }
        "GetUserFollowing" => {
            client.get_user_following(pb::GetUserFollowingRequest { user_id: me, ..Default::default() }).await.map(drop)
        }
        "CheckUserRelationship" => {
            let request = pb::CheckUserRelationshipRequest { user_id_1: me, user_id_2: them };
            client.check_user_relationship(request).await.map(drop)
        }
        "SearchUsers" => client
            .search_users(pb::SearchUsersRequest { query: "alice".to_owned(), ..Default::default() })
            .await
            .map(drop),
        "ListBlockedUsers" => {
            client.list_blocked_users(pb::ListBlockedUsersRequest { user_id: me, ..Default::default() }).await.map(drop)
        }
        "ListFollowRequests" => client
            .list_follow_requests(pb::ListFollowRequestsRequest { user_id: me, ..Default::default() })
            .await
            .map(drop),
        "RespondToFollowRequest" => {
            let request = pb::RespondToFollowRequestRequest { followee_id: me, follower_id: them, accept: true };
            client.respond_to_follow_request(request).await.map(drop)
        }
        "EnsureProfile" => {
            let (username, created_at) = ("alice".to_owned(), "2026-06-01T12:00:00Z".to_owned());
            let request = pb::EnsureProfileRequest { user_id: me, username, display_name: String::new(), created_at };
            client.ensure_profile(request).await.map(drop)
        }
        "DeleteProfile" => {
            let request = pb::DeleteProfileRequest { user_id: them, deleted_at: "2026-06-01T12:00:00Z".to_owned() };
            client.delete_profile(request).await.map(drop)
        }
        "ExportUser" => client.export_user(pb::ExportUserRequest { user_id: me }).await.map(drop),
        "CheckContact" => {
            client.check_contact(pb::CheckContactRequest { actor_id: me, user_ids: vec![them] }).await.map(drop)
        }
        other => panic!("{other} has no test of who may call it"),
    }
}

/// RPCs about a user that any user may call; every other one is the user's own.
const OPEN: [&str; 5] =
    ["GetUserProfile", "GetUserProfilesByIds", "GetUserFollowers", "GetUserFollowing", "SearchUsers"];

#[tokio::test]
async fn every_rpc_tells_every_caller_what_it_may() {
    let world = World::start().await;
    for (rpc, access) in ACCESS {
        let (user, other, third) =
            (world.person("alice").await, world.person("bob").await, world.person("carol").await);
        let (me, them) = (user.id.to_string(), other.id.to_string());
        let denied = |result: Result<(), Status>, code, reason| match result {
            Ok(()) => panic!("{rpc} was allowed"),
            Err(status) => assert_reason(&status, code, reason),
        };
        denied(call(rpc, world.nobody(), &me, &them).await, Code::Unauthenticated, "UNAUTHENTICATED");
        denied(call(rpc, world.client("x"), &me, &them).await, Code::Unauthenticated, "UNAUTHENTICATED");
        let mut claims = world.tokens.claims(user.id, &[]);
        claims.exp -= 3600;
        denied(
            call(rpc, world.client(&world.tokens.sign(&claims)), &me, &them).await,
            Code::Unauthenticated,
            "TOKEN_EXPIRED",
        );

        let may = |result: Result<(), Status>| match result {
            Ok(()) => {}
            Err(status) => {
                check_status(&status);
                assert_eq!(
                    (*rpc, status.code()),
                    ("RespondToFollowRequest", Code::NotFound),
                    "nobody has asked: {status:?}"
                );
            }
        };
        if *access == Access::Service {
            for client in [user.client(), third.client(), world.admin()] {
                denied(call(rpc, client, &me, &them).await, Code::PermissionDenied, "PERMISSION_DENIED");
            }
        } else if OPEN.contains(rpc) {
            may(call(rpc, third.client(), &me, &them).await);
            may(call(rpc, world.admin(), &me, &them).await);
        } else {
            denied(call(rpc, third.client(), &me, &them).await, Code::PermissionDenied, "PERMISSION_DENIED");
            may(call(rpc, user.client(), &me, &them).await);
            may(call(rpc, world.admin(), &me, &them).await);
        }
        may(call(rpc, world.service(), &me, &them).await);
    }
}

#[test]
fn the_table_has_every_rpc_of_the_proto() {
    let pool = prost_reflect::DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("nova.user.v1.UserService").unwrap();
    let declared: BTreeSet<String> = service.methods().map(|method| method.name().to_owned()).collect();
    let listed: BTreeSet<String> = ACCESS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, declared);
    assert_eq!(ACCESS.len(), declared.len(), "no RPC twice");
}

#[tokio::test]
async fn a_lost_database_is_told_at_once_and_comes_back_by_itself() {
    let database = TestDatabase::new(&user_service::MIGRATOR).await;
    let (proxy, url) = ChaosProxy::before_postgres(&database.url).await;
    let world = World::start_with(|config, _| config.database.url = url.as_str().into()).await;
    let alice = world.person("alice").await;
    proxy.cut();
    assert_reason(&alice.profile(&alice).await.unwrap_err(), Code::Unavailable, "UNAVAILABLE");
    proxy.mend();
    assert_eq!(alice.profile(&alice).await.unwrap().username, "alice");
}
