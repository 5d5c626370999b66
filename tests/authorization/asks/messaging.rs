//! Requests to the messaging service.

use authn::CallerKind;
use serde_json::json;
use test_harness::grpc_helpers::unexpected;
use test_harness::{Outcome, World};

use super::Ask;
use crate::authorization::scene::{SAID, Scene};

pub async fn ask(world: &World, scene: &Scene, rpc: &str, case: &str) -> Outcome<Ask> {
    let (person, conversation, message) = (&scene.person.id, &scene.conversation, &scene.message);
    let of_conversation = json!({ "conversation_id": conversation });
    let of_message = json!({ "message_id": message });
    let ask = match (rpc, case) {
        ("GetMessages" | "GetConversation", "") => Ask::showing(of_conversation, SAID),
        ("GetConversationMembers", "") => Ask::showing(of_conversation, person),
        ("GetMessage", "") => Ask::showing(of_message, SAID),
        ("SendMessage", "") => Ask::new(json!({ "conversation_id": conversation, "content": "hello" })),
        ("SendMessage", "as the person") => {
            Ask::new(json!({ "conversation_id": conversation, "sender_id": person, "content": "hello" }))
        }
        ("UpdateMessage", "the person's") => Ask::new(json!({ "message_id": message, "updated_content": "changed" })),
        ("UpdateMessage", "one's own") => {
            Ask::new(json!({ "message_id": scene.own_message, "updated_content": "changed" }))
        }
        ("DeleteMessage", "the person's") => Ask::new(of_message),
        ("DeleteMessage", "one's own") => Ask::new(json!({ "message_id": scene.own_message })),
        ("MarkAsRead", "") => Ask::new(of_message),
        ("MarkAsRead", "as the person") => Ask::new(json!({ "message_id": message, "reader_id": person })),
        ("GetUnreadCount", "of the person") => Ask::new(json!({ "user_id": person })),
        ("GetUnreadCount", "in the conversation") => Ask::new(of_conversation),
        ("ListConversations", "of the person") => Ask::showing(json!({ "user_id": person }), conversation),
        ("ListConversations", "what was said last") => Ask::showing(json!({ "user_id": person }), SAID),
        ("CreateConversation", "DIRECT") => Ask::new(json!({ "type": "DIRECT", "member_ids": [person] })),
        ("CreateConversation", "DIRECT, for the first time") => {
            let with = met_for_the_first_time(world, scene).await?;
            Ask::new(json!({ "type": "DIRECT", "member_ids": [with] }))
        }
        ("CreateConversation", "GROUP") => {
            Ask::new(json!({ "type": "GROUP", "member_ids": [person], "name": "another group" }))
        }
        ("UpdateConversation", "") => Ask::new(json!({ "conversation_id": conversation, "name": "renamed" })),
        ("AddMembers", "") => {
            let third = world.person("third").await?;
            Ask::new(json!({ "conversation_id": conversation, "user_ids": [third.id] }))
        }
        ("RemoveMember", _) => {
            let user = match case {
                "a member" => &scene.member,
                "the owner" => person,
                _ => scene.caller.as_ref().map_or(person, |caller| &caller.id),
            };
            Ask::new(json!({ "conversation_id": conversation, "user_id": user }))
        }
        ("UpdateMemberRole", "") => {
            Ask::new(json!({ "conversation_id": conversation, "user_id": scene.member, "role": "ADMIN" }))
        }
        ("StreamEvents", "") | ("GetStreamStats", "") => Ask::new(json!({})),
        ("StreamEvents", "of the conversation") => Ask::new(json!({ "conversation_ids": [conversation] })),
        ("SendTyping", "") => Ask::new(of_conversation),
        ("InvalidateContact", "") => Ask::new(json!({ "user_id_1": person })),
        ("EraseUser", "") => Ask::new(json!({ "user_id": person })),
        ("ExportUser", "") => Ask::showing(json!({ "user_id": person }), conversation),
        other => return Err(unexpected(format!("nobody knows how to ask for {other:?}"))),
    };
    Ok(ask)
}

/// Somebody who stands to the caller as the person does, but has never talked to them; to themself everybody has.
async fn met_for_the_first_time(world: &World, scene: &Scene) -> Outcome<String> {
    let third = world.person("third").await?;
    match (scene.kind, &scene.caller) {
        (CallerKind::Owner, _) => return Ok(scene.person.id.clone()),
        (CallerKind::BlockedBy, Some(caller)) => third.block(caller).await?,
        (CallerKind::Blocking, Some(caller)) => caller.block(&third).await?,
        _ => {}
    }
    Ok(third.id)
}
