//! Promise G10: every RPC tried by everybody who must not. To a stranger, a former member, a service and an administrator
//! alike, what they are no part of does not exist; without a token nothing does.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use messaging_service::grpc;
use protos::messaging::v1 as pb;
use testkit::As;
use tonic::{Code, Status};

use crate::world::{Client, Person, World, call, client, text_message};

/// What the attempts aim at.
struct Target {
    conversation: String,
    message: String,
    member: Person,
}

/// Whose account may be erased.
const NOBODY: &str = "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a";

type Attempt = for<'a> fn(&'a mut Client, &'a Target) -> BoxFuture<'a, Result<(), Status>>;

macro_rules! attempt {
    ($method:ident, |$target:ident| $request:expr) => {{
        fn attempt<'a>(client: &'a mut Client, $target: &'a Target) -> BoxFuture<'a, Result<(), Status>> {
            let request = $request;
            Box::pin(async move { call(client.$method(request)).await.map(drop) })
        }
        attempt as Attempt
    }};
}

/// Each RPC with a request that its target's member could make.
fn attempts() -> Vec<(&'static str, Attempt)> {
    vec![
        (
            "GetMessages",
            attempt!(get_messages, |t| pb::GetMessagesRequest {
                conversation_id: t.conversation.clone(),
                ..Default::default()
            }),
        ),
        ("GetMessage", attempt!(get_message, |t| pb::GetMessageRequest { message_id: t.message.clone() })),
        (
            "GetConversation",
            attempt!(get_conversation, |t| pb::GetConversationRequest { conversation_id: t.conversation.clone() }),
        ),
        (
            "GetConversationMembers",
            attempt!(get_conversation_members, |t| pb::GetConversationMembersRequest {
                conversation_id: t.conversation.clone(),
                ..Default::default()
            }),
        ),
        ("SendMessage", attempt!(send_message, |t| text_message(&t.conversation, "let me in", Some("k")))),
        (
            "UpdateMessage",
            attempt!(update_message, |t| pb::UpdateMessageRequest {
                message_id: t.message.clone(),
                updated_content: Some("forged".to_owned()),
                ..Default::default()
            }),
        ),
        ("DeleteMessage", attempt!(delete_message, |t| pb::DeleteMessageRequest { message_id: t.message.clone() })),
        (
            "MarkAsRead",
            attempt!(mark_as_read, |t| pb::MarkAsReadRequest {
                message_id: t.message.clone(),
                reader_id: String::new()
            }),
        ),
        (
            "GetUnreadCount",
            attempt!(get_unread_count, |t| pb::GetUnreadCountRequest {
                user_id: String::new(),
                conversation_id: Some(t.conversation.clone())
            }),
        ),
        (
            "ListConversations",
            attempt!(list_conversations, |t| pb::ListConversationsRequest {
                user_id: t.member.id.to_string(),
                ..Default::default()
            }),
        ),
        ("CreateConversation", attempt!(create_conversation, |_t| pb::CreateConversationRequest::default())),
        (
            "UpdateConversation",
            attempt!(update_conversation, |t| pb::UpdateConversationRequest {
                conversation_id: t.conversation.clone(),
                name: Some("ours".to_owned()),
                expected_version: 0
            }),
        ),
        (
            "AddMembers",
            attempt!(add_members, |t| pb::AddMembersRequest {
                conversation_id: t.conversation.clone(),
                user_ids: vec![t.member.id.to_string()]
            }),
        ),
        (
            "RemoveMember",
            attempt!(remove_member, |t| pb::RemoveMemberRequest {
                conversation_id: t.conversation.clone(),
                user_id: t.member.id.to_string()
            }),
        ),
        (
            "UpdateMemberRole",
            attempt!(update_member_role, |t| pb::UpdateMemberRoleRequest {
                conversation_id: t.conversation.clone(),
                user_id: t.member.id.to_string(),
                role: pb::member::Role::Admin.into()
            }),
        ),
        (
            "StreamEvents",
            attempt!(stream_events, |t| pb::StreamEventsRequest {
                cursor: None,
                conversation_ids: vec![t.conversation.clone()]
            }),
        ),
        ("SendTyping", attempt!(send_typing, |t| pb::SendTypingRequest { conversation_id: t.conversation.clone() })),
        ("GetStreamStats", attempt!(get_stream_stats, |_t| pb::GetStreamStatsRequest {})),
        ("EraseUser", attempt!(erase_user, |_t| pb::EraseUserRequest { user_id: NOBODY.to_owned() })),
        ("ExportUser", attempt!(export_user, |t| pb::ExportUserRequest { user_id: t.member.id.to_string() })),
        (
            "InvalidateContact",
            attempt!(invalidate_contact, |t| pb::InvalidateContactRequest {
                user_id_1: t.member.id.to_string(),
                user_id_2: String::new()
            }),
        ),
    ]
}

#[test]
fn every_rpc_is_tried() {
    let tried: BTreeSet<&str> = attempts().into_iter().map(|(name, _)| name).collect();
    let ruled: BTreeSet<&str> = grpc::ACCESS.iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, ruled);
}

/// Everything that a member can see, to prove that no attempt has changed it.
async fn snapshot(member: &Person, conversation: &str) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        member.conversation(conversation).await.unwrap(),
        member.members(conversation).await.unwrap(),
        member.history(conversation).await.unwrap(),
    )
}

#[tokio::test]
async fn who_is_no_member_finds_nothing_by_any_rpc() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, former, stranger, admin] = world.people(&service);
    let group = owner.group("private", &[&former]).await.unwrap();
    let message = owner.send(&group.id, "secret").await.unwrap();
    former.send(&group.id, "own").await.unwrap();
    let formers = former.send(&group.id, "own too").await.unwrap();
    former.remove(&group.id, &former).await.unwrap();
    let chat = owner.direct(&former).await.unwrap();
    let line = owner.send(&chat.id, "between two").await.unwrap();
    let tokens = &world.tokens;
    let outsiders = [
        ("stranger", tokens.person(stranger.id), vec![(&group.id, &message.id), (&chat.id, &line.id)]),
        ("former member", tokens.person(former.id), vec![(&group.id, &message.id), (&group.id, &formers.id)]),
        ("administrator", tokens.admin(admin.id), vec![(&group.id, &message.id), (&chat.id, &line.id)]),
        ("service", tokens.service("user-service"), vec![(&group.id, &message.id), (&chat.id, &line.id)]),
    ];
    let before = (snapshot(&owner, &group.id).await, snapshot(&owner, &chat.id).await);
    for (who, token, targets) in outsiders {
        let mut rpc = client(&service, As::token(&token));
        for (conversation, message) in targets {
            let target = Target { conversation: conversation.clone(), message: message.clone(), member: owner.clone() };
            for (name, attempt) in attempts() {
                let answer = attempt(&mut rpc, &target).await;
                let code = answer.as_ref().map_or_else(Status::code, |()| Code::Ok);
                let expected = match (name, who) {
                    // Not about this conversation at all.
                    ("CreateConversation", "service") => Code::PermissionDenied,
                    ("CreateConversation", _) => Code::InvalidArgument,
                    // A service says for whom it acts.
                    ("SendMessage" | "MarkAsRead" | "GetUnreadCount", "service") => Code::PermissionDenied,
                    // A stream is a person's; how streams are doing is for administrators.
                    ("StreamEvents", "service") => Code::PermissionDenied,
                    ("GetStreamStats", who) => {
                        if who == "administrator" {
                            Code::Ok
                        } else {
                            Code::PermissionDenied
                        }
                    }
                    // Services and administrators may ask on behalf of the user that they name.
                    ("ListConversations", "service" | "administrator") => Code::Ok,
                    ("InvalidateContact" | "EraseUser" | "ExportUser", "service") => Code::Ok,
                    ("ListConversations" | "InvalidateContact" | "EraseUser" | "ExportUser", _) => {
                        Code::PermissionDenied
                    }
                    _ => Code::NotFound,
                };
                assert_eq!(code, expected, "{name} by a {who}: {answer:?}");
            }
        }
    }
    assert_eq!((snapshot(&owner, &group.id).await, snapshot(&owner, &chat.id).await), before);
}

#[tokio::test]
async fn what_is_hidden_looks_like_what_is_not_there() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, stranger] = world.people(&service);
    let group = owner.group("private", &[]).await.unwrap();
    let message = owner.send(&group.id, "secret").await.unwrap();
    let hidden = Target { conversation: group.id.clone(), message: message.id.clone(), member: stranger.clone() };
    let absent = Target {
        conversation: ids::ConversationId::generate(world.clock.now()).to_string(),
        message: ids::MessageId::generate(world.clock.now()).to_string(),
        member: stranger.clone(),
    };
    let mut rpc = stranger.rpc.clone();
    for (name, attempt) in attempts() {
        let (hidden_answer, absent_answer) = (attempt(&mut rpc, &hidden).await, attempt(&mut rpc, &absent).await);
        let (Err(one), Err(other)) = (hidden_answer, absent_answer) else { continue };
        let text = one.message().replace(&hidden.conversation, "ID").replace(&hidden.message, "ID");
        let other_text = other.message().replace(&absent.conversation, "ID").replace(&absent.message, "ID");
        assert_eq!((one.code(), text), (other.code(), other_text), "{name}");
    }
}

#[tokio::test]
async fn without_a_token_there_is_nothing() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, other] = world.people(&service);
    let group = owner.group("g", &[]).await.unwrap();
    let message = owner.send(&group.id, "x").await.unwrap();
    let target = Target { conversation: group.id, message: message.id, member: other };
    for who in [As::nobody(), As::token("rubbish")] {
        let mut rpc = client(&service, who);
        for (name, attempt) in attempts() {
            let status = attempt(&mut rpc, &target).await.expect_err(name);
            assert_eq!(status.code(), Code::Unauthenticated, "{name}");
        }
    }
}
