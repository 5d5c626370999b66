//! Every field out of bounds is INVALID_ARGUMENT with the field named as the client wrote it.

use errors::ErrorDetailsOf;
use protos::messaging::v1 as pb;
use testkit::{As, assert_reason};
use tonic::{Code, Status};

use crate::world::{World, call, client, text_message};

#[track_caller]
fn assert_field<T: std::fmt::Debug>(answer: Result<T, Status>, field: &str) {
    let status = answer.expect_err(field);
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    assert_eq!(status.violated_fields(), [field], "{status:?}");
}

const BAD_IDS: [&str; 4] = ["", "x", "00000000-0000-0000-0000-000000000000", "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3"];

#[tokio::test]
async fn ids_are_checked_everywhere() {
    let world = World::new().await;
    let service = world.start().await;
    let alice = world.person(&service);
    let group = alice.group("g", &[]).await.unwrap();
    let id = || group.id.clone();
    for bad in BAD_IDS.map(str::to_owned) {
        let mut rpc = alice.rpc.clone();
        let conversation = "conversation_id";
        let ask = pb::GetMessagesRequest { conversation_id: bad.clone(), ..Default::default() };
        assert_field(call(rpc.get_messages(ask)).await, conversation);
        assert_field(alice.conversation(&bad).await, conversation);
        assert_field(alice.members(&bad).await, conversation);
        assert_field(alice.send(&bad, "x").await, conversation);
        assert_field(alice.rename(&bad, "x", 0).await, conversation);
        assert_field(alice.unread(Some(&bad)).await, conversation);
        assert_field(alice.remove(&bad, &alice).await, conversation);
        assert_field(alice.set_role(&bad, &alice, pb::member::Role::Admin).await, conversation);
        assert_field(alice.add(&bad, &[&alice]).await, conversation);
        assert_field(alice.message(&bad).await, "message_id");
        assert_field(alice.edit(&bad, "x", 0).await, "message_id");
        assert_field(alice.delete(&bad).await, "message_id");
        assert_field(alice.read(&bad).await, "message_id");
        let remove = pb::RemoveMemberRequest { conversation_id: id(), user_id: bad.clone() };
        assert_field(call(rpc.remove_member(remove)).await, "user_id");
        let role = pb::UpdateMemberRoleRequest { conversation_id: id(), user_id: bad.clone(), role: 2 };
        assert_field(call(rpc.update_member_role(role)).await, "user_id");
        let add = pb::AddMembersRequest { conversation_id: id(), user_ids: vec![alice.id.to_string(), bad.clone()] };
        assert_field(call(rpc.add_members(add)).await, "user_ids[1]");
        let create = pb::CreateConversationRequest {
            r#type: pb::conversation::Type::Direct.into(),
            member_ids: vec![bad.clone()],
            ..Default::default()
        };
        assert_field(alice.create(create).await, "member_ids[0]");
        if bad.is_empty() {
            continue; // means the caller
        }
        let count = pb::GetUnreadCountRequest { user_id: bad.clone(), conversation_id: None };
        assert_field(call(rpc.get_unread_count(count)).await, "user_id");
        let list = pb::ListConversationsRequest { user_id: bad.clone(), ..Default::default() };
        assert_field(alice.list(list).await, "user_id");
        let mark = pb::MarkAsReadRequest { message_id: alice.id.to_string(), reader_id: bad.clone() };
        assert_field(call(rpc.mark_as_read(mark)).await, "reader_id");
        let send = pb::SendMessageRequest { sender_id: bad, ..crate::world::text_message(&group.id, "x", None) };
        assert_field(alice.send_request(send).await, "sender_id");
    }
}

#[tokio::test]
async fn contents_and_client_ids_are_bounded() {
    let world = World::new().await;
    let service = world.start().await;
    let alice = world.person(&service);
    let group = alice.group("g", &[]).await.unwrap();
    let largest = "é".repeat(32 * 1024);
    let message = alice.send(&group.id, &largest).await.unwrap();
    assert_eq!(alice.message(&message.id).await.unwrap().content, largest);

    let sealed = |ciphertext: usize, nonce: usize, encryption_version: i32| pb::EncryptedContent {
        ciphertext: vec![1; ciphertext],
        nonce: vec![1; nonce],
        encryption_version,
    };
    let cases = [
        (None, None, "content"),
        (Some(String::new()), None, "content"),
        (Some(format!("{largest}x")), None, "content"),
        (Some("a\0b".to_owned()), None, "content"),
        (Some("x".to_owned()), Some(sealed(1, 12, 1)), "encrypted"),
        (None, Some(sealed(0, 12, 1)), "encrypted.ciphertext"),
        (None, Some(sealed(64 * 1024 + 1, 12, 1)), "encrypted.ciphertext"),
        (None, Some(sealed(1, 11, 1)), "encrypted.nonce"),
        (None, Some(sealed(1, 33, 1)), "encrypted.nonce"),
        (None, Some(sealed(1, 12, 0)), "encrypted.encryption_version"),
    ];
    for (text, encrypted, field) in cases {
        let send = pb::SendMessageRequest {
            conversation_id: group.id.clone(),
            content: text.clone(),
            encrypted: encrypted.clone(),
            ..Default::default()
        };
        assert_field(alice.send_request(send).await, field);
        let edit = pb::UpdateMessageRequest {
            message_id: message.id.clone(),
            updated_content: text,
            encrypted,
            expected_version: 0,
        };
        let field = if field == "content" { "updated_content" } else { field };
        assert_field(call(alice.rpc.clone().update_message(edit)).await, field);
    }
    for bad in ["", "a\nb", &"x".repeat(129)] {
        assert_field(alice.send_as(&group.id, "x", bad).await, "client_message_id");
    }
    alice.send_as(&group.id, "x", &"é".repeat(128)).await.unwrap();
    assert_field(alice.edit(&message.id, "x", -1).await, "expected_version");
    assert_eq!(alice.history(&group.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn conversations_are_opened_with_sound_arguments() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let direct = pb::CreateConversationRequest {
        r#type: pb::conversation::Type::Direct.into(),
        member_ids: vec![bob.id.to_string()],
        ..Default::default()
    };
    let group = pb::CreateConversationRequest {
        r#type: pb::conversation::Type::Group.into(),
        name: Some("g".to_owned()),
        ..direct.clone()
    };
    let everybody: Vec<String> = [&alice, &bob, &carol].iter().map(|p| p.id.to_string()).collect();
    let crowd = vec![bob.id.to_string(); 1001];
    let cases = [
        (pb::CreateConversationRequest { r#type: 0, ..direct.clone() }, "type"),
        (pb::CreateConversationRequest { r#type: 9, ..direct.clone() }, "type"),
        (pb::CreateConversationRequest { member_ids: vec![], ..direct.clone() }, "member_ids"),
        (pb::CreateConversationRequest { member_ids: vec![alice.id.to_string()], ..direct.clone() }, "member_ids"),
        (pb::CreateConversationRequest { member_ids: everybody, ..direct.clone() }, "member_ids"),
        (pb::CreateConversationRequest { name: Some("us".to_owned()), ..direct.clone() }, "name"),
        (pb::CreateConversationRequest { name: None, ..group.clone() }, "name"),
        (pb::CreateConversationRequest { name: Some("  ".to_owned()), ..group.clone() }, "name"),
        (pb::CreateConversationRequest { name: Some("x".repeat(101)), ..group.clone() }, "name"),
        (pb::CreateConversationRequest { member_ids: crowd, ..group.clone() }, "member_ids"),
        (
            pb::CreateConversationRequest { client_conversation_id: Some(String::new()), ..group.clone() },
            "client_conversation_id",
        ),
    ];
    for (request, field) in cases {
        assert_field(alice.create(request).await, field);
    }
    let group = alice.create(group).await.unwrap();
    assert_field(alice.rename(&group.id, "", 0).await, "name");
    assert_field(alice.rename(&group.id, "a\u{7}b", 0).await, "name");
    assert_field(alice.rename(&group.id, "x", -1).await, "expected_version");
    assert_field(alice.add(&group.id, &[]).await, "user_ids");
    let many = vec![&carol; 101];
    assert_field(alice.add(&group.id, &many).await, "user_ids");
    for role in [0, 9, -1] {
        let request =
            pb::UpdateMemberRoleRequest { conversation_id: group.id.clone(), user_id: bob.id.to_string(), role };
        assert_field(call(alice.rpc.clone().update_member_role(request)).await, "role");
    }
}

#[tokio::test]
async fn pages_have_sound_arguments() {
    let world = World::new().await;
    let service = world.start().await;
    let alice = world.person(&service);
    let group = alice.group("g", &[]).await.unwrap();
    let base = pb::GetMessagesRequest { conversation_id: group.id.clone(), ..Default::default() };
    let cases = [
        (pb::GetMessagesRequest { limit: -1, ..base.clone() }, "limit"),
        (pb::GetMessagesRequest { offset: -1, ..base.clone() }, "offset"),
        (pb::GetMessagesRequest { before_sequence: Some(0), ..base.clone() }, "before_sequence"),
        (pb::GetMessagesRequest { before_sequence: Some(i64::MIN), ..base.clone() }, "before_sequence"),
        (pb::GetMessagesRequest { after_sequence: Some(-1), ..base.clone() }, "after_sequence"),
    ];
    for (request, field) in cases {
        assert_field(alice.messages(request).await, field);
    }
    let edge = pb::GetMessagesRequest { before_sequence: Some(i64::MAX), after_sequence: Some(i64::MAX), ..base };
    assert_eq!(alice.messages(edge).await.unwrap().messages.len(), 0);
    assert_field(alice.list(pb::ListConversationsRequest { limit: -1, ..Default::default() }).await, "limit");
    assert_field(alice.list(pb::ListConversationsRequest { offset: -1, ..Default::default() }).await, "offset");
    let members = pb::GetConversationMembersRequest { conversation_id: group.id, limit: -1, ..Default::default() };
    assert_field(call(alice.rpc.clone().get_conversation_members(members)).await, "limit");
    let mut rpc = crate::world::client(&service, testkit::As::token(&world.tokens.service("user-service")));
    let request = pb::InvalidateContactRequest { user_id_1: "x".to_owned(), user_id_2: String::new() };
    assert_field(call(rpc.invalidate_contact(request)).await, "user_id_1");
    let request = pb::InvalidateContactRequest { user_id_1: alice.id.to_string(), user_id_2: "x".to_owned() };
    assert_field(call(rpc.invalidate_contact(request)).await, "user_id_2");
}

#[tokio::test]
async fn me_and_nothing_mean_the_caller() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut rpc = bob.rpc.clone();
    for me in ["me", "", &bob.id.to_string()] {
        let request = pb::SendMessageRequest { sender_id: me.to_owned(), ..text_message(&chat.id, "x", None) };
        assert_eq!(bob.send_request(request).await.unwrap().sender_id, bob.id.to_string());
        let sent = alice.send(&chat.id, "y").await.unwrap();
        let request = pb::GetUnreadCountRequest { user_id: me.to_owned(), conversation_id: None };
        assert_eq!(call(rpc.get_unread_count(request)).await.unwrap().unread_count, 1);
        let request = pb::MarkAsReadRequest { message_id: sent.id, reader_id: me.to_owned() };
        assert_eq!(call(rpc.mark_as_read(request)).await.unwrap().unread_count, 0);
        let request = pb::ListConversationsRequest { user_id: me.to_owned(), ..Default::default() };
        assert_eq!(bob.list(request).await.unwrap().total_count, 1);
    }
    // A service is nobody, and elsewhere empty means something else.
    let mut rpc = client(&service, As::token(&world.tokens.service("user-service")));
    let request = pb::GetUnreadCountRequest { user_id: "me".to_owned(), conversation_id: None };
    let status = call(rpc.get_unread_count(request)).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    let request = pb::InvalidateContactRequest { user_id_1: bob.id.to_string(), user_id_2: "me".to_owned() };
    assert_field(call(rpc.invalidate_contact(request)).await, "user_id_2");
}
