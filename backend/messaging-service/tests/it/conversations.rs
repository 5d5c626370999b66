//! Opening, reading, listing and renaming conversations.

use protos::messaging::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World};

fn request(kind: pb::conversation::Type, others: &[&Person], name: Option<&str>) -> pb::CreateConversationRequest {
    pb::CreateConversationRequest {
        r#type: kind.into(),
        member_ids: others.iter().map(|p| p.id.to_string()).collect(),
        name: name.map(str::to_owned),
        client_conversation_id: None,
    }
}

#[tokio::test]
async fn two_people_always_get_the_same_direct_conversation() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut people = vec![alice.id.to_string(), bob.id.to_string()];
    people.sort_unstable();
    let expected = pb::Conversation {
        id: chat.id.clone(),
        r#type: pb::conversation::Type::Direct.into(),
        name: String::new(),
        member_ids: people,
        member_count: 2,
        created_by: alice.id.to_string(),
        last_sequence: 0,
        created_at: "2026-06-01T12:00:00.000000Z".to_owned(),
        updated_at: "2026-06-01T12:00:00.000000Z".to_owned(),
        deleted_at: None,
        version: 1,
    };
    assert_eq!(chat, expected);
    world.tick();
    assert_eq!(bob.direct(&alice).await.unwrap(), expected);
    assert_eq!(alice.create(request(pb::conversation::Type::Direct, &[&bob, &alice], None)).await.unwrap(), expected);
    assert_ne!(alice.direct(&carol).await.unwrap().id, chat.id);
    let roles: Vec<_> = alice.members(&chat.id).await.unwrap().iter().map(pb::Member::role).collect();
    assert_eq!(roles, [pb::member::Role::Member; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_opening_at_once_meet_in_one_conversation() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    for round in 0..25 {
        let (alice, bob) = (world.person(&one), world.person(&two));
        let keyed = |other: &Person, n: i32| pb::CreateConversationRequest {
            client_conversation_id: (n % 2 == 0).then(|| format!("{n}")),
            ..request(pb::conversation::Type::Direct, &[other], None)
        };
        let opened = futures::future::join_all((0..6).map(|n| {
            let (opener, other) = if n % 3 == 0 { (&alice, &bob) } else { (&bob, &alice) };
            opener.create(keyed(other, n))
        }))
        .await;
        let first = opened[0].as_ref().expect("opened").id.clone();
        assert!(opened.iter().all(|c| c.as_ref().expect("opened").id == first), "round {round}");
        let list = alice.list(pb::ListConversationsRequest::default()).await.unwrap();
        assert_eq!(list.total_count, 1);
    }
}

#[tokio::test]
async fn a_retry_with_a_client_id_gets_the_same_conversation() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let keyed = |request: pb::CreateConversationRequest, key: &str| pb::CreateConversationRequest {
        client_conversation_id: Some(key.to_owned()),
        ..request
    };
    let group = |name, others: &[&Person]| request(pb::conversation::Type::Group, others, Some(name));
    let direct = |other| request(pb::conversation::Type::Direct, &[other], None);

    let first = alice.create(keyed(group("g", &[&bob, &carol]), "k")).await.unwrap();
    assert_eq!(alice.create(keyed(group("g", &[&carol, &bob, &carol]), "k")).await.unwrap(), first);
    for other in [group("h", &[&bob, &carol]), group("g", &[&bob]), direct(&bob)] {
        let reused = alice.create(keyed(other, "k")).await.unwrap_err();
        assert_reason(&reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    }
    assert_ne!(bob.create(keyed(group("g", &[&alice, &carol]), "k")).await.unwrap().id, first.id, "another creator");
    assert_ne!(alice.create(group("g", &[&bob, &carol])).await.unwrap().id, first.id, "no client id");

    // A client id that was answered with a conversation that there was already is taken too.
    let chat = bob.direct(&alice).await.unwrap();
    assert_eq!(alice.create(keyed(direct(&bob), "d")).await.unwrap().id, chat.id);
    let reused = alice.create(keyed(direct(&carol), "d")).await.unwrap_err();
    assert_reason(&reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");

    // A retry is no way back to what one has left.
    alice.remove(&first.id, &alice).await.unwrap();
    let left = alice.create(keyed(group("g", &[&bob, &carol]), "k")).await.unwrap_err();
    assert_reason(&left, Code::NotFound, "CONVERSATION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_id_used_at_once_opens_one_group() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    for round in 0..10 {
        let request = pb::CreateConversationRequest {
            client_conversation_id: Some(round.to_string()),
            ..request(pb::conversation::Type::Group, &[&bob], Some("g"))
        };
        let opened = futures::future::join_all((0..5).map(|_| alice.create(request.clone()))).await;
        let first = opened[0].as_ref().expect("opened").id.clone();
        assert!(opened.iter().all(|c| c.as_ref().expect("opened").id == first));
    }
    assert_eq!(bob.list(pb::ListConversationsRequest::default()).await.unwrap().total_count, 10);
}

#[tokio::test]
async fn a_group_belongs_to_who_opened_it() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("  Tea & cake  ", &[&bob]).await.unwrap();
    assert_eq!(
        (group.name.as_str(), group.member_count, group.r#type()),
        ("Tea & cake", 2, pb::conversation::Type::Group)
    );
    let roles: Vec<_> =
        bob.members(&group.id).await.unwrap().into_iter().map(|m| (m.user_id.clone(), m.role())).collect();
    assert!(roles.contains(&(alice.id.to_string(), pb::member::Role::Owner)));
    assert!(roles.contains(&(bob.id.to_string(), pb::member::Role::Member)));
    assert_eq!(alice.group("alone", &[]).await.unwrap().member_count, 1);
}

#[tokio::test]
async fn a_group_has_at_most_so_many_members() {
    let world = World::with(|config| config.limits.group_members = 3).await;
    let service = world.start().await;
    let [alice, bob, carol, dave] = world.people(&service);
    let status = alice.group("g", &[&bob, &carol, &dave]).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let group = alice.group("g", &[&bob]).await.unwrap();
    let full = alice.add(&group.id, &[&carol, &dave]).await.unwrap_err();
    assert_reason(&full, Code::FailedPrecondition, "CONVERSATION_FULL");
    assert_eq!(errors::ErrorDetailsOf::reason_metadata(&full, "max_members").as_deref(), Some("3"));
    assert_eq!(alice.add(&group.id, &[&carol]).await.unwrap().conversation.unwrap().member_count, 3);
    alice.add(&group.id, &[&carol, &bob]).await.unwrap();
    carol.remove(&group.id, &carol).await.unwrap();
    assert_eq!(alice.add(&group.id, &[&dave]).await.unwrap().conversation.unwrap().member_count, 3);
}

#[tokio::test]
async fn renaming_needs_a_role_and_the_expected_version() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, admin, member] = world.people(&service);
    let group = owner.group("one", &[&admin, &member]).await.unwrap();
    owner.set_role(&group.id, &admin, pb::member::Role::Admin).await.unwrap();
    world.tick();
    let renamed = admin.rename(&group.id, "two", 2).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("two", 3));
    assert!(renamed.updated_at > renamed.created_at);
    let conflict = owner.rename(&group.id, "three", 2).await.unwrap_err();
    assert_reason(&conflict, Code::Aborted, "VERSION_CONFLICT");
    assert_eq!(errors::ErrorDetailsOf::reason_metadata(&conflict, "current_version").as_deref(), Some("3"));
    assert_reason(&member.rename(&group.id, "x", 0).await.unwrap_err(), Code::PermissionDenied, "ROLE_REQUIRED");
    let nothing = pb::UpdateConversationRequest { conversation_id: group.id.clone(), name: None, expected_version: 3 };
    let same = crate::world::call(owner.rpc.clone().update_conversation(nothing)).await.unwrap().conversation.unwrap();
    assert_eq!(same, renamed, "a change of nothing");
    let chat = owner.direct(&member).await.unwrap();
    let fixed = owner.rename(&chat.id, "us", 0).await.unwrap_err();
    assert_reason(&fixed, Code::FailedPrecondition, "DIRECT_CONVERSATION_FIXED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_renames_of_one_version_exactly_one_wins() {
    let world = World::new().await;
    let service = world.start().await;
    let owner = world.person(&service);
    let group = owner.group("g", &[]).await.unwrap();
    for version in 1..=10 {
        let names: Vec<String> = (0..5).map(|n| format!("{version}-{n}")).collect();
        let results = futures::future::join_all(names.iter().map(|name| owner.rename(&group.id, name, version))).await;
        let won: Vec<_> = results.into_iter().flatten().collect();
        assert_eq!(won.len(), 1);
        assert_eq!(owner.conversation(&group.id).await.unwrap().conversation.unwrap(), won[0]);
    }
}

#[tokio::test]
async fn the_list_is_in_order_of_activity() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let mut ids = Vec::new();
    for other in [&bob, &carol] {
        world.tick();
        ids.push(alice.direct(other).await.unwrap().id);
    }
    world.tick();
    ids.push(alice.group("g", &[&bob]).await.unwrap().id);
    let list = async || {
        let list = alice.list(pb::ListConversationsRequest::default()).await.unwrap();
        assert_eq!((list.total_count, list.next_page_token.as_str()), (3, ""));
        list.conversations.into_iter().map(|v| v.conversation.unwrap().id).collect::<Vec<_>>()
    };
    assert_eq!(list().await, [&ids[2], &ids[1], &ids[0]].map(String::clone));
    world.tick();
    let sent = bob.send(&ids[0], "hello").await.unwrap();
    assert_eq!(list().await, [&ids[0], &ids[2], &ids[1]].map(String::clone));
    let first = &alice.list(pb::ListConversationsRequest::default()).await.unwrap().conversations[0];
    assert_eq!((first.unread_count, first.last_message.as_ref()), (1, Some(&sent)));
    let view = alice.conversation(&ids[0]).await.unwrap();
    assert_eq!((view.unread_count, view.last_message, view.conversation), (1, Some(sent), first.conversation.clone()));
}
