//! Requests to the user service.

use protos::user::v1::UpdateUserProfileRequest;
use serde_json::json;
use test_harness::grpc_helpers::unexpected;
use test_harness::{Outcome, Person, World};

use super::Ask;
use crate::authorization::scene::Scene;

pub async fn ask(world: &World, scene: &Scene, rpc: &str, case: &str) -> Outcome<Ask> {
    let person = &scene.person;
    let of_person = json!({ "user_id": person.id });
    let ask = match (rpc, case) {
        ("GetUserProfile", "") => Ask::showing(of_person, &person.username),
        ("GetUserProfile", "the e-mail") => Ask::showing(of_person, &person.email),
        ("GetUserProfilesByIds", "") => Ask::showing(json!({ "user_ids": [person.id] }), &person.username),
        ("GetUserProfilesByIds", "the e-mail") => Ask::showing(json!({ "user_ids": [person.id] }), &person.email),
        ("UpdateUserProfile", "") => Ask::new(json!({ "user_id": person.id, "bio": "changed" })),
        ("UpdateUserSettings", "") => Ask::new(json!({ "user_id": person.id, "dark_mode": true })),
        ("GetUserSettings" | "ListBlockedUsers" | "ListFollowRequests", "") => Ask::new(of_person),
        ("FollowUser" | "UnfollowUser", _) => {
            let (follower, followee) = pair(world, scene, case).await?;
            Ask::new(json!({ "follower_id": follower, "followee_id": followee }))
        }
        ("BlockUser" | "UnblockUser", _) => {
            let (blocker, blocked) = pair(world, scene, case).await?;
            Ask::new(json!({ "blocker_id": blocker, "blocked_id": blocked }))
        }
        ("GetUserFollowers" | "GetUserFollowing", "") => Ask::new(of_person),
        ("GetUserFollowers" | "GetUserFollowing", "of a private account") => {
            make_private(person).await?;
            Ask::new(of_person)
        }
        ("GetUserFollowers", "the person among them") => {
            let third = world.person("third").await?;
            person.follow(&third).await?;
            Ask::showing(json!({ "user_id": third.id }), &person.id)
        }
        ("GetUserFollowing", "the person among them") => {
            let third = world.person("third").await?;
            third.follow(person).await?;
            Ask::showing(json!({ "user_id": third.id }), &person.id)
        }
        ("CheckUserRelationship", "of two others") => {
            Ask::new(json!({ "user_id_1": person.id, "user_id_2": world.person("third").await?.id }))
        }
        ("CheckUserRelationship", "to the person") => {
            let (me, to) = pair(world, scene, "the person").await?;
            Ask::new(json!({ "user_id_1": me, "user_id_2": to }))
        }
        ("CheckUserRelationship", "a block") => {
            let me = match &scene.caller {
                Some(caller) if scene.kind != authn::CallerKind::Administrator => caller.id.clone(),
                _ => {
                    let third = world.person("third").await?;
                    third.block(person).await?;
                    third.id
                }
            };
            Ask::showing(json!({ "user_id_1": me, "user_id_2": person.id }), "BLOCKED")
        }
        ("SearchUsers", "") => Ask::showing(json!({ "query": person.username }), &person.id),
        ("RespondToFollowRequest", "") => {
            make_private(person).await?;
            let third = world.person("third").await?;
            third.follow(person).await?;
            Ask::new(json!({ "followee_id": person.id, "follower_id": third.id, "accept": true }))
        }
        ("EnsureProfile", "") => {
            let (name, at) = (&person.username, "2026-01-01T00:00:00.000000Z");
            Ask::new(json!({ "user_id": person.id, "username": name, "display_name": name, "created_at": at }))
        }
        ("DeleteProfile", "") => Ask::new(json!({ "user_id": person.id, "deleted_at": "2026-01-01T00:00:00.000000Z" })),
        ("CheckContact", "") => {
            let third = world.person("third").await?;
            Ask::showing(json!({ "actor_id": third.id, "user_ids": [person.id] }), &person.id)
        }
        ("ExportUser", "") => Ask::showing(of_person, &person.id),
        other => return Err(unexpected(format!("nobody knows how to ask for {other:?}"))),
    };
    Ok(ask)
}

/// Who acts on whom.
async fn pair(world: &World, scene: &Scene, case: &str) -> Outcome<(String, String)> {
    let person = scene.person.id.clone();
    match (case, &scene.caller) {
        ("as the person", _) => Ok((person, world.person("third").await?.id)),
        ("the person", Some(caller)) => Ok((caller.id.clone(), person)),
        ("the person", None) => Ok((world.person("third").await?.id, person)),
        (other, _) => Err(unexpected(format!("there is no case {other:?}"))),
    }
}

async fn make_private(person: &Person) -> Outcome {
    let request = UpdateUserProfileRequest { user_id: person.id.clone(), private: Some(true), ..Default::default() };
    person.clients.user.clone().update_user_profile(request).await?;
    Ok(())
}
