//! Every list to its end, also while rows are added.

use std::collections::BTreeSet;

use pg::page::{Binding, Page};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protos::messaging::v1 as pb;
use serde::Serialize;
use serde::de::DeserializeOwned;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World, call};

fn sequences(messages: &[pb::Message]) -> Vec<i64> {
    messages.iter().map(|m| m.sequence).collect()
}

#[tokio::test]
async fn messages_are_paged_to_the_end_while_more_arrive() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    for n in 0..25 {
        alice.send(&chat.id, &n.to_string()).await.unwrap();
    }
    let mut request = pb::GetMessagesRequest { conversation_id: chat.id.clone(), limit: 4, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = bob.messages(request.clone()).await.unwrap();
        seen.extend(sequences(&page.messages));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        assert_eq!(page.messages.len(), 4);
        alice.send(&chat.id, "meanwhile").await.unwrap();
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn bounds_offsets_and_deleted_messages_shape_a_page() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    for n in 1..=60 {
        let sent = alice.send(&chat.id, &n.to_string()).await.unwrap();
        if n % 10 == 0 {
            alice.delete(&sent.id).await.unwrap();
        }
    }
    let base = pb::GetMessagesRequest { conversation_id: chat.id.clone(), ..Default::default() };
    let page = bob.messages(base.clone()).await.unwrap();
    assert_eq!((page.messages.len(), page.total_count), (50, 54), "50 is the default");
    assert!(!page.next_page_token.is_empty());
    let all = pb::GetMessagesRequest { limit: 1000, include_deleted: true, ..base.clone() };
    let page = bob.messages(all).await.unwrap();
    assert_eq!((page.messages.len(), page.total_count, page.next_page_token.as_str()), (60, 60, ""));

    let between =
        pb::GetMessagesRequest { before_sequence: Some(32), after_sequence: Some(28), limit: 2, ..base.clone() };
    let first = bob.messages(between.clone()).await.unwrap();
    assert_eq!(sequences(&first.messages), [31, 29]);
    assert_eq!((first.total_count, first.next_page_token.as_str()), (54, ""));
    let with_deleted = pb::GetMessagesRequest { include_deleted: true, ..between };
    let first = bob.messages(with_deleted.clone()).await.unwrap();
    assert_eq!(sequences(&first.messages), [31, 30]);
    let second = pb::GetMessagesRequest { page_token: first.next_page_token, ..with_deleted };
    let second = bob.messages(second).await.unwrap();
    assert_eq!((sequences(&second.messages), second.next_page_token.as_str()), (vec![29], ""));

    let skipping = pb::GetMessagesRequest { offset: 52, limit: 2, ..base.clone() };
    let page = bob.messages(skipping).await.unwrap();
    assert_eq!((sequences(&page.messages), page.next_page_token.as_str()), (vec![2, 1], ""));
    let beyond = pb::GetMessagesRequest { offset: 10_000, ..base.clone() };
    let page = bob.messages(beyond).await.unwrap();
    assert_eq!((page.messages.len(), page.total_count), (0, 54));
    let too_far = bob.messages(pb::GetMessagesRequest { offset: 10_001, ..base }).await.unwrap_err();
    assert_reason(&too_far, Code::OutOfRange, "OFFSET_TOO_LARGE");
}

#[tokio::test]
async fn pages_of_large_messages_stay_readable_for_any_client() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let large = "x".repeat(64 * 1024);
    let groups = futures::future::join_all((0..60).map(|n| {
        let (alice, bob, large) = (&alice, &bob, &large);
        async move {
            let group = alice.group(&n.to_string(), &[bob]).await.unwrap();
            alice.send(&group.id, large).await.unwrap();
            group.id
        }
    }))
    .await;
    futures::future::join_all((1..100).map(|_| alice.send(&groups[0], &large))).await;
    assert_eq!(bob.history(&groups[0]).await.unwrap().len(), 100);
    let mut request = pb::ListConversationsRequest { limit: 100, ..Default::default() };
    let mut seen = BTreeSet::new();
    loop {
        let page = bob.list(request.clone()).await.unwrap();
        seen.extend(page.conversations.into_iter().map(|v| v.conversation.unwrap().id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 60);
}

#[tokio::test]
async fn a_page_token_belongs_to_its_arguments() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let (chat, group) = (alice.direct(&bob).await.unwrap(), alice.group("g", &[&bob]).await.unwrap());
    for n in 0..3 {
        alice.send(&chat.id, &n.to_string()).await.unwrap();
    }
    let base = pb::GetMessagesRequest { conversation_id: chat.id, limit: 1, ..Default::default() };
    let token = alice.messages(base.clone()).await.unwrap().next_page_token;
    let with_token = pb::GetMessagesRequest { page_token: token, ..base };
    assert_eq!(sequences(&alice.messages(with_token.clone()).await.unwrap().messages), [2]);
    let larger = pb::GetMessagesRequest { limit: 5, ..with_token.clone() };
    assert_eq!(sequences(&alice.messages(larger).await.unwrap().messages), [2, 1], "the size may change");
    for other in [
        pb::GetMessagesRequest { conversation_id: group.id, ..with_token.clone() },
        pb::GetMessagesRequest { include_deleted: true, ..with_token.clone() },
        pb::GetMessagesRequest { before_sequence: Some(9), ..with_token.clone() },
        pb::GetMessagesRequest { after_sequence: Some(1), ..with_token.clone() },
        pb::GetMessagesRequest { page_token: "AAAA".to_owned(), ..with_token.clone() },
    ] {
        let status = alice.messages(other).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
    let both = alice.messages(pb::GetMessagesRequest { offset: 1, ..with_token }).await.unwrap_err();
    assert_reason(&both, Code::InvalidArgument, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn members_are_paged_to_the_end_while_people_join() {
    let world = World::new().await;
    let service = world.start().await;
    let owner = world.person(&service);
    let people: [Person; 25] = world.people(&service);
    let (first, later) = people.split_at(20);
    let group = owner.group("g", &first.iter().collect::<Vec<_>>()).await.unwrap();
    let mut request =
        pb::GetConversationMembersRequest { conversation_id: group.id.clone(), limit: 6, ..Default::default() };
    let (mut seen, mut joining) = (Vec::new(), later.iter());
    loop {
        let page = call(owner.rpc.clone().get_conversation_members(request.clone())).await.unwrap();
        assert_eq!(page.user_ids, page.members.iter().map(|m| m.user_id.clone()).collect::<Vec<_>>());
        seen.extend(page.user_ids);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        if let Some(person) = joining.next() {
            owner.add(&group.id, &[person]).await.unwrap();
        }
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "nobody twice");
    for person in first.iter().chain([&owner]) {
        assert!(unique.contains(&person.id.to_string()), "nobody left out");
    }
    let page = pb::GetConversationMembersRequest { conversation_id: group.id, ..Default::default() };
    let page = call(owner.rpc.clone().get_conversation_members(page)).await.unwrap();
    assert_eq!((page.members.len(), page.total_members > 20), (20, true), "20 is the default");
}

#[tokio::test]
async fn conversations_are_paged_to_the_end_while_they_move() {
    let world = World::new().await;
    let service = world.start().await;
    let alice = world.person(&service);
    let people: [Person; 23] = world.people(&service);
    let mut expected = BTreeSet::new();
    for (n, person) in people.iter().enumerate() {
        if n % 3 == 0 {
            world.tick(); // some share their time of activity
        }
        expected.insert(alice.direct(person).await.unwrap().id);
    }
    let mut request = pb::ListConversationsRequest { limit: 5, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = alice.list(request.clone()).await.unwrap();
        let ids = page.conversations.into_iter().map(|v| v.conversation.unwrap().id);
        seen.extend(ids);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        // What has been seen becomes active again, and new ones are opened: both go to the front.
        world.tick();
        alice.send(&seen[0], "again").await.unwrap();
        alice.group("new", &[]).await.unwrap();
    }
    assert_eq!(seen.len(), 23, "none twice");
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), expected, "none left out");

    let list = alice.list(pb::ListConversationsRequest { offset: 25, limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(list.total_count, i64::try_from(25 + list.conversations.len()).unwrap());
    let past = alice.list(pb::ListConversationsRequest { offset: 500, ..Default::default() }).await.unwrap();
    assert_eq!((past.conversations.len(), past.total_count), (0, list.total_count));
    let bound = alice.list(pb::ListConversationsRequest { limit: 1, ..Default::default() }).await.unwrap();
    let stolen = pb::ListConversationsRequest { page_token: bound.next_page_token, ..Default::default() };
    let status = people[0].list(stolen).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}

/// A token of the call with a key of one's own making.
fn forged<K: Serialize + DeserializeOwned + Clone>(binding: Binding, key: &K) -> String {
    let limits = pg::page::Limits { default: 1, max: 1 };
    let page: Page<K> = Page::parse(limits, 1, 0, "", binding).unwrap();
    page.finish(vec![(), ()], |()| key.clone()).1
}

#[test]
fn no_forged_token_is_a_fault_of_the_service() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_world, _service, alice, group) = runtime.block_on(async {
        let world = World::new().await;
        let service = world.start().await;
        let alice = world.person(&service);
        let group = alice.group("g", &[]).await.unwrap().id;
        alice.send(&group, "x").await.unwrap();
        (world, service, alice, group)
    });
    let number = prop_oneof![
        any::<i64>(),
        -2..3i64,
        Just(i64::MAX),
        Just(i64::MIN),
        // the first and the last years of chrono, of PostgreSQL and of RFC 3339
        (-262_145i64..262_145).prop_map(|year| year * 31_556_952_000_000),
    ];
    let id = any::<u128>().prop_map(uuid::Uuid::from_u128);
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&(number, id), |(number, id)| {
        let conversations = pb::ListConversationsRequest {
            page_token: forged(Binding::new("ListConversations").arg(alice.id), &(number, id)),
            ..Default::default()
        };
        let binding = Binding::new("GetMessages").arg(&group).arg(false).arg(i64::MAX).arg(0);
        let messages = pb::GetMessagesRequest {
            conversation_id: group.clone(),
            page_token: forged(binding, &number),
            ..Default::default()
        };
        let members = pb::GetConversationMembersRequest {
            conversation_id: group.clone(),
            page_token: forged(Binding::new("GetConversationMembers").arg(&group), &id),
            ..Default::default()
        };
        runtime.block_on(async {
            for answer in [
                alice.list(conversations).await.map(drop),
                alice.messages(messages).await.map(drop),
                call(alice.rpc.clone().get_conversation_members(members)).await.map(drop),
            ] {
                if let Err(status) = answer {
                    assert_reason(&status, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
                }
            }
        });
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    // The forger knows the tokens: a real key is taken.
    let key = (0i64, uuid::Uuid::nil());
    let token = forged(Binding::new("ListConversations").arg(alice.id), &key);
    let page = runtime.block_on(alice.list(pb::ListConversationsRequest { page_token: token, ..Default::default() }));
    assert_eq!(page.unwrap().conversations, []);
}
