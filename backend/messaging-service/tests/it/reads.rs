//! Read markers and unread counts (promise G5), by example; `unread_model` tries what nobody thought of.

use protos::messaging::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{World, call};

#[tokio::test]
async fn unread_is_what_others_sent_after_the_marker() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut sent = Vec::new();
    for n in 0..10 {
        let sender = if n % 3 == 0 { &bob } else { &alice };
        sent.push(sender.send(&chat.id, &n.to_string()).await.unwrap());
    }
    // alice: 1 2 4 5 7 8, bob: 0 3 6 9
    assert_eq!(bob.unread(None).await.unwrap(), 6);
    assert_eq!(alice.unread(None).await.unwrap(), 4);
    assert_eq!(bob.read(&sent[4].id).await.unwrap(), 3);
    assert_eq!(bob.read(&sent[1].id).await.unwrap(), 3, "the marker never moves back");
    assert_eq!(bob.members(&chat.id).await.unwrap().iter().map(|m| m.last_read_sequence).max(), Some(5));
    alice.delete(&sent[7].id).await.unwrap();
    assert_eq!(bob.unread(Some(&chat.id)).await.unwrap(), 2);
    alice.delete(&sent[2].id).await.unwrap();
    assert_eq!(bob.unread(Some(&chat.id)).await.unwrap(), 2, "it was read already");
    bob.delete(&sent[9].id).await.unwrap();
    assert_eq!(bob.unread(Some(&chat.id)).await.unwrap(), 2, "one's own never count");
    assert_eq!(bob.read(&sent[7].id).await.unwrap(), 1, "a deleted message moves the marker too");
    assert_eq!(bob.read(&sent[9].id).await.unwrap(), 0);
    assert_eq!(bob.unread(None).await.unwrap(), 0);
}

#[tokio::test]
async fn the_sum_is_over_all_conversations() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let group = carol.group("g", &[&alice, &bob]).await.unwrap();
    assert_eq!(bob.unread(None).await.unwrap(), 0);
    alice.send(&chat.id, "1").await.unwrap();
    alice.send(&group.id, "2").await.unwrap();
    carol.send(&group.id, "3").await.unwrap();
    assert_eq!(bob.unread(None).await.unwrap(), 3);
    assert_eq!(bob.unread(Some(&group.id)).await.unwrap(), 2);
    bob.remove(&group.id, &bob).await.unwrap();
    assert_eq!(bob.unread(None).await.unwrap(), 1, "a conversation that one has left does not count");
}

#[tokio::test]
async fn markers_and_counts_are_ones_own() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, admin] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let message = alice.send(&chat.id, "x").await.unwrap();
    let mark = pb::MarkAsReadRequest { message_id: message.id.clone(), reader_id: bob.id.to_string() };
    let count = pb::GetUnreadCountRequest { user_id: bob.id.to_string(), conversation_id: None };
    let list = pb::ListConversationsRequest { user_id: bob.id.to_string(), ..Default::default() };
    for status in [
        call(alice.rpc.clone().mark_as_read(mark.clone())).await.unwrap_err(),
        call(alice.rpc.clone().get_unread_count(count.clone())).await.unwrap_err(),
        alice.list(list.clone()).await.unwrap_err(),
    ] {
        assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    let mut rpc = crate::world::client(&service, testkit::As::token(&world.tokens.admin(admin.id)));
    assert_eq!(call(rpc.get_unread_count(count)).await.unwrap().unread_count, 1);
    assert_eq!(call(rpc.list_conversations(list)).await.unwrap().total_count, 1);
    assert_eq!(call(rpc.mark_as_read(mark)).await.unwrap().unread_count, 0);
    // An empty id is the caller.
    let own = pb::MarkAsReadRequest { message_id: message.id, reader_id: String::new() };
    assert_eq!(call(bob.rpc.clone().mark_as_read(own)).await.unwrap().unread_count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_markers_end_at_the_furthest() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(alice.send(&chat.id, &n.to_string()).await.unwrap().id);
    }
    let counts = futures::future::join_all(sent.iter().map(|id| bob.read(id))).await;
    for (position, count) in counts.into_iter().enumerate() {
        let count = usize::try_from(count.unwrap()).expect("never negative");
        assert!(count <= 19 - position, "at least what is after the message itself");
    }
    assert_eq!(bob.unread(None).await.unwrap(), 0);
}
