//! Promise G4: every change through one cursor, none lost, none twice, in order; and nothing to whom it is not for.

use std::time::Duration;

use ids::ConversationId;
use protos::messaging::v1 as pb;
use protos::messaging::v1::member::Role;
use testkit::{assert_reason, eventually};
use tonic::Code;

use crate::listening::{short, text_of};
use crate::world::World;

#[tokio::test]
async fn every_kind_of_change_is_told_in_order() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let mut ears = alice.listen().await;
    let group = alice.group("tea", &[&bob]).await.unwrap();
    let message = bob.send(&group.id, "hello").await.unwrap();
    bob.edit(&message.id, "hello!", 1).await.unwrap();
    alice.read(&message.id).await.unwrap();
    alice.read(&message.id).await.unwrap();
    bob.delete(&message.id).await.unwrap();
    bob.delete(&message.id).await.unwrap();
    alice.rename(&group.id, "coffee", 0).await.unwrap();
    alice.add(&group.id, &[&bob, &carol]).await.unwrap();
    alice.set_role(&group.id, &carol, Role::Owner).await.unwrap();
    alice.remove(&group.id, &bob).await.unwrap();
    carol.remove(&group.id, &carol).await.unwrap();
    let events = ears.take(11).await;
    // Messages and conversations are shown as they are when the event is handed out; the order of events is fixed.
    let told: Vec<String> = events.iter().map(short).collect();
    let what: Vec<&str> = told.iter().map(|text| text.split([' ']).next().unwrap()).collect();
    let expected =
        ["created", "sent", "edited", "read", "deleted", "renamed", "added", "is", "is", "removed", "removed"];
    assert_eq!(what, expected, "{told:?}");
    assert_eq!(told[4], "deleted 1 v3 \"\" true");
    assert_eq!(events.iter().map(|e| e.event_number).collect::<Vec<_>>(), (1..=11).collect::<Vec<i64>>());
    assert!(events.iter().all(|e| e.conversation_id == group.id));
    assert_eq!(events[1].actor_id, bob.id.to_string());
    assert_eq!(short(&ears.next().await), "is Owner now", "who inherits the group is told last");
}

#[tokio::test]
async fn any_cursor_brings_exactly_what_comes_after_it() {
    let world = World::new().await;
    let (service, replica) = (world.start().await, world.start().await);
    let [alice, bob, carol] = world.people(&service);
    let mut ears = alice.listen().await;
    let start = ears.cursor.clone();
    let (chat, group) = (alice.direct(&bob).await.unwrap(), carol.group("g", &[&alice, &bob]).await.unwrap());
    for n in 0..30 {
        let message = bob.send(if n % 3 == 0 { &group.id } else { &chat.id }, &format!("{n}")).await.unwrap();
        if n % 5 == 0 {
            alice.read(&message.id).await.unwrap();
        }
    }
    bob.send(&chat.id, "last").await.unwrap();
    let all = ears.until("last").await;
    assert_eq!(all.len(), 2 + 31 + 6);
    let cursors = std::iter::once(start).chain(all.iter().map(|event| event.cursor.clone()));
    for (place, cursor) in cursors.enumerate().take(all.len()) {
        let listener = world.same_person(alice.id, if place % 2 == 0 { &service } else { &replica });
        let rest = listener.listen_from(&cursor).await.take(all.len() - place).await;
        let told = |events: &[pb::StreamEventsResponse]| -> Vec<(String, String)> {
            events.iter().map(|e| (e.cursor.clone(), short(e))).collect()
        };
        assert_eq!(told(&rest), told(&all[place..]), "from place {place}");
    }
    // From the end nothing comes but what is new.
    let mut ears = alice.listen_from(&all.last().unwrap().cursor).await;
    bob.send(&chat.id, "new").await.unwrap();
    assert_eq!(text_of(&ears.next().await), Some("new"));
}

#[tokio::test]
async fn a_cursor_is_good_after_a_restart() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = alice.listen().await;
    bob.send(&chat.id, "before").await.unwrap();
    ears.until("before").await;
    let cursor = ears.cursor.clone();
    bob.send(&chat.id, "missed").await.unwrap();
    drop(ears);
    service.stop().await;
    let service = world.start().await;
    let mut ears = world.same_person(alice.id, &service).listen_from(&cursor).await;
    assert_eq!(text_of(&ears.next().await), Some("missed"));
}

#[tokio::test]
async fn a_burst_that_overflows_a_listener_reaches_them_whole() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = alice.listen_after(&bob, &chat.id).await;
    let text = "x".repeat(4000);
    for round in 0..10 {
        let sends = (0..60).map(|n| {
            let (bob, chat, text) = (&bob, &chat.id, &text);
            async move { bob.send_as(chat, text, &format!("{round}-{n}")).await }
        });
        futures::future::try_join_all(sends).await.unwrap();
    }
    bob.send(&chat.id, "end").await.unwrap();
    let events = ears.until("end").await;
    assert_eq!(events.iter().map(|e| e.event_number).collect::<Vec<_>>(), (3..=603).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_stream_tells_of_the_named_conversations_only() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let (one, other) = (alice.direct(&bob).await.unwrap(), alice.direct(&carol).await.unwrap());
    let of =
        |id: &str, cursor: Option<String>| pb::StreamEventsRequest { cursor, conversation_ids: vec![id.to_owned()] };
    let mut ears = alice.listen_with(of(&one.id, None)).await.unwrap();
    let start = ears.cursor.clone();
    carol.send(&other.id, "not this").await.unwrap();
    bob.send(&one.id, "this").await.unwrap();
    assert_eq!(text_of(&ears.next().await), Some("this"));
    let mut ears = alice.listen_with(of(&one.id, Some(start))).await.unwrap();
    assert_eq!(text_of(&ears.next().await), Some("this"));
    let status = carol.listen_with(of(&one.id, None)).await.err().unwrap();
    assert_reason(&status, Code::NotFound, "CONVERSATION_NOT_FOUND");
    let absent = ConversationId::generate(world.clock.now()).to_string();
    let status = carol.listen_with(of(&absent, None)).await.err().unwrap();
    assert_reason(&status, Code::NotFound, "CONVERSATION_NOT_FOUND");
    let status = carol.listen_with(of("rubbish", None)).await.err().unwrap();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn the_end_of_a_membership_is_the_last_that_is_told() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let group = alice.group("g", &[&bob, &carol]).await.unwrap();
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = bob.listen_after(&alice, &chat.id).await;
    let away = ears.cursor.clone();
    alice.send(&group.id, "for all").await.unwrap();
    alice.remove(&group.id, &bob).await.unwrap();
    alice.send(&group.id, "not for bob").await.unwrap();
    alice.send(&chat.id, "between us").await.unwrap();
    let told: Vec<String> = ears.until("between us").await.iter().map(short).collect();
    assert_eq!(told, ["sent 1 v1 \"for all\"", "removed", "sent 2 v1 \"between us\""]);

    // Who comes back later learns that they are out, and nothing of what was said: it is not theirs any more.
    let told: Vec<String> = bob.listen_from(&away).await.until("between us").await.iter().map(short).collect();
    assert_eq!(told, ["removed", "sent 2 v1 \"between us\""]);

    // Who is added again is told from there on.
    alice.add(&group.id, &[&bob]).await.unwrap();
    alice.send(&group.id, "welcome back").await.unwrap();
    let told: Vec<String> = ears.until("welcome back").await.iter().map(short).collect();
    assert_eq!(told, ["added as Member", "sent 3 v1 \"welcome back\""]);
    let told: Vec<String> = bob.listen_from(&away).await.until("welcome back").await.iter().map(short).collect();
    assert_eq!(told, ["sent 2 v1 \"between us\"", "added as Member", "sent 3 v1 \"welcome back\""]);
}

#[tokio::test]
async fn read_markers_of_others_are_told_in_small_conversations_only() {
    let world = World::with(|config| config.limits.read_markers_told_up_to = 2).await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let (chat, group) = (alice.direct(&bob).await.unwrap(), alice.group("g", &[&bob, &carol]).await.unwrap());
    let (mut alices, mut bobs) = (alice.listen().await, bob.listen().await);
    let start = alices.cursor.clone();
    let (line, note) = (alice.send(&chat.id, "a").await.unwrap(), alice.send(&group.id, "b").await.unwrap());
    bob.read(&note.id).await.unwrap();
    bob.read(&line.id).await.unwrap();
    alice.send(&chat.id, "end").await.unwrap();
    let told = async |events: Vec<pb::StreamEventsResponse>| -> Vec<String> {
        events.iter().filter(|e| short(e).starts_with("read")).map(|e| e.conversation_id.clone()).collect()
    };
    assert_eq!(told(alices.until("end").await).await, std::slice::from_ref(&chat.id));
    assert_eq!(told(bobs.until("end").await).await, [group.id.clone(), chat.id.clone()]);
    assert_eq!(told(alice.listen_from(&start).await.until("end").await).await, std::slice::from_ref(&chat.id));
    assert_eq!(told(bob.listen_from(&start).await.until("end").await).await, [group.id, chat.id]);
}

#[tokio::test]
async fn typing_reaches_the_others_and_is_not_kept() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, stranger] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut alices = alice.listen_after(&alice, &chat.id).await;
    let mut bobs = bob.listen_after(&alice, &chat.id).await;
    alices.until("listening?").await;
    let start = bobs.cursor.clone();
    alice.type_in(&chat.id).await.unwrap();
    alice.type_in(&chat.id).await.unwrap();
    let typing = bobs.next().await;
    assert_eq!((short(&typing), typing.actor_id), ("typing".to_owned(), alice.id.to_string()));
    assert_eq!((typing.cursor, typing.event_number), (String::new(), 0));
    alice.send(&chat.id, "done").await.unwrap();
    assert_eq!(bobs.until("done").await.len(), 1, "more often than once a second has no effect");
    assert_eq!(alices.until("done").await.len(), 1, "nobody is told of themself");
    assert_eq!(bob.listen_from(&start).await.until("done").await.len(), 1, "it is not kept");

    let status = stranger.type_in(&chat.id).await.unwrap_err();
    assert_reason(&status, Code::NotFound, "CONVERSATION_NOT_FOUND");
    world.users.block(bob.id, alice.id);
    call_invalidate(&world, &service, &alice, &bob).await;
    eventually("alice may type again, and is refused", Duration::from_secs(5), async || {
        alice
            .type_in(&chat.id)
            .await
            .err()
            .map(|status| assert_reason(&status, Code::FailedPrecondition, "USER_BLOCKED"))
    })
    .await;
}

async fn call_invalidate(
    world: &World,
    service: &crate::world::Instance,
    one: &crate::world::Person,
    other: &crate::world::Person,
) {
    let mut rpc = crate::world::client(service, testkit::As::token(&world.tokens.service("user-service")));
    let request = pb::InvalidateContactRequest { user_id_1: one.id.to_string(), user_id_2: other.id.to_string() };
    rpc.invalidate_contact(request).await.unwrap();
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_streams() {
    let world = World::with(|config| config.streams.max_per_user = 2).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let (one, _other) = (alice.listen().await, alice.listen().await);
    let status = alice.listen_with(pb::StreamEventsRequest::default()).await.err().unwrap();
    assert_reason(&status, Code::ResourceExhausted, "TOO_MANY_STREAMS");
    bob.listen().await;
    drop(one);
    eventually("a stream that was left makes room", Duration::from_secs(5), async || {
        alice.listen_with(pb::StreamEventsRequest::default()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn administrators_see_how_the_streams_are_doing() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = bob.listen_after(&alice, &chat.id).await;
    let mut admin = crate::world::client(&service, testkit::As::token(&world.tokens.admin(alice.id)));
    let mut stats = async || admin.get_stream_stats(pb::GetStreamStatsRequest {}).await.unwrap().into_inner();
    let before = stats().await;
    assert_eq!((before.open_streams, before.listening_users), (1, 1));
    alice.send(&chat.id, "hi").await.unwrap();
    ears.until("hi").await;
    assert_eq!(stats().await.events_delivered, before.events_delivered + 1);
    let status = alice.rpc.clone().get_stream_stats(pb::GetStreamStatsRequest {}).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
}
