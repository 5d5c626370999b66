//! ExportUser: a person's own words and memberships, and nothing that others wrote.

use std::time::Duration;

use chassis::config::Paging;
use futures::TryStreamExt;
use ids::UserId;
use protos::messaging::v1 as pb;
use serde_json::{Value, json};
use testkit::{As, assert_reason, eventually};
use tonic::{Code, Status};

use crate::world::{Client, Instance, World, client};

type Records = Vec<(String, Value)>;

/// Kind and record of each message.
async fn export(mut client: Client, user: UserId) -> Result<Records, Status> {
    let request = pb::ExportUserRequest { user_id: user.to_string() };
    let records: Vec<_> = client.export_user(request).await?.into_inner().try_collect().await?;
    Ok(records.into_iter().map(|r| (r.kind, serde_json::from_str(&r.record).expect("JSON"))).collect())
}

/// A world whose pages have two rows.
async fn small_pages() -> World {
    let pages = Paging { max_limit: 2, default_limit: 2 };
    World::with(|config| (config.paging, config.message_paging) = (pages.clone(), pages)).await
}

fn service(world: &World, instance: &Instance) -> Client {
    client(instance, As::token(&world.tokens.service("auth")))
}

fn of_kind<'a>(records: &'a Records, kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|(k, _)| k == kind).map(|(_, record)| record).collect()
}

#[tokio::test]
async fn own_words_and_memberships_are_exported_once_across_pages() {
    let world = small_pages().await;
    let instance = world.start().await;
    let [ada, bob, carol] = world.people(&instance);
    // Two pages of conversations and a half; one that is left, one whose members are more than a page.
    let mut sent = vec![];
    let chat = ada.direct(&bob).await.unwrap();
    for n in 0..5 {
        sent.push((chat.id.clone(), ada.send(&chat.id, &format!("ada's {n}")).await.unwrap()));
        bob.send(&chat.id, &format!("bob's {n}")).await.unwrap();
    }
    let mut groups = vec![];
    for n in 0..4 {
        let group = bob.group(&format!("group {n}"), &[&ada, &carol]).await.unwrap();
        sent.push((group.id.clone(), ada.send(&group.id, &format!("ada's in {n}")).await.unwrap()));
        carol.send(&group.id, &format!("carol's in {n}")).await.unwrap();
        groups.push(group.id);
    }
    let left = groups.remove(1);
    ada.remove(&left, &ada).await.unwrap();
    bob.rename(&left, "a name of later", 0).await.unwrap();
    let edited = ada.edit(&sent[0].1.id, "ada's edited", 0).await.unwrap();
    ada.delete(&sent[1].1.id).await.unwrap();
    ada.read(&bob.history(&chat.id).await.unwrap()[3].id).await.unwrap();
    let request = pb::CreateConversationRequest {
        r#type: pb::conversation::Type::Group.into(),
        name: Some("ada's own".to_owned()),
        client_conversation_id: Some("mine-1".to_owned()),
        ..Default::default()
    };
    let own = ada.create(request).await.unwrap();
    let encrypted = pb::SendMessageRequest {
        conversation_id: own.id.clone(),
        encrypted: Some(pb::EncryptedContent { ciphertext: vec![1, 2], nonce: vec![3; 12], encryption_version: 1 }),
        ..Default::default()
    };
    sent.push((own.id.clone(), ada.send_request(encrypted).await.unwrap()));

    let records = export(service(&world, &instance), ada.id).await.unwrap();
    let messages = of_kind(&records, "message");
    let mut exported: Vec<_> = messages.iter().map(|m| m["id"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = sent.iter().map(|(_, message)| message.id.as_str()).collect();
    let in_order: Vec<_> = messages.iter().filter(|m| m["conversationId"] == chat.id).map(|m| &m["sequence"]).collect();
    assert_eq!(in_order, [&json!("1"), &json!("3"), &json!("5"), &json!("7"), &json!("9")]);
    exported.sort_unstable();
    expected.sort_unstable();
    assert_eq!(exported, expected);
    let found = |id: &str| *messages.iter().find(|m| m["id"] == id).unwrap();
    assert_eq!((&found(&edited.id)["content"], &found(&edited.id)["version"]), (&json!("ada's edited"), &json!("2")));
    let deleted = found(&sent[1].1.id);
    assert!(deleted["deletedAt"].is_string() && deleted["content"] == "", "{deleted}");
    let cipher = found(&sent.last().unwrap().1.id);
    assert_eq!((&cipher["encrypted"]["ciphertext"], &cipher["content"]), (&json!("AQI="), &json!("")));

    let memberships = of_kind(&records, "membership");
    let mut of: Vec<_> = memberships.iter().map(|m| m["conversationId"].as_str().unwrap().to_owned()).collect();
    let mut all = vec![chat.id.clone(), left.clone(), own.id.clone()];
    all.extend(groups);
    of.sort_unstable();
    all.sort_unstable();
    assert_eq!(of, all);
    let membership = |id: &str| *memberships.iter().find(|m| m["conversationId"] == id).unwrap();
    assert_eq!(
        (&membership(&chat.id)["lastReadSequence"], &membership(&own.id)["role"]),
        (&json!("4"), &json!("OWNER"))
    );
    assert!(membership(&left)["leftAt"].is_string() && membership(&chat.id).get("leftAt").is_none());

    // Of a conversation that is left, what became of it is no business of theirs.
    let conversations = of_kind(&records, "conversation");
    assert_eq!(conversations.len(), 5);
    assert!(conversations.iter().all(|c| c["id"] != left));
    assert_eq!(of_kind(&records, "conversation_request")[0]["clientConversationId"], "mine-1");
    let text = format!("{records:?}");
    for others in ["bob's", "carol's", "a name of later"] {
        assert!(!text.contains(others), "{others} in {text}");
    }
}

#[tokio::test]
async fn of_a_large_group_every_member_is_named_once() {
    let world = small_pages().await;
    let instance = world.start().await;
    let ada = world.person(&instance);
    let mut others: Vec<String> = (0..104).map(|_| UserId::generate(world.clock.now()).to_string()).collect();
    let request = pb::CreateConversationRequest {
        r#type: pb::conversation::Type::Group.into(),
        member_ids: others.clone(),
        name: Some("crowd".to_owned()),
        ..Default::default()
    };
    ada.create(request).await.unwrap();
    let records = export(service(&world, &instance), ada.id).await.unwrap();
    let shown = of_kind(&records, "conversation");
    let more = of_kind(&records, "conversation_members");
    assert_eq!(more.len(), 3, "100 with the group, the other 5 two at a time");
    let ids = shown.iter().chain(&more).flat_map(|record| record["memberIds"].as_array().unwrap());
    let mut named: Vec<_> = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
    others.push(ada.id.to_string());
    named.sort_unstable();
    others.sort_unstable();
    assert_eq!(named, others);
}

#[tokio::test]
async fn it_is_for_services_alone() {
    let world = small_pages().await;
    let instance = world.start().await;
    let [ada, bob] = world.people(&instance);
    for token in [world.tokens.person(ada.id), world.tokens.person(bob.id), world.tokens.admin(bob.id)] {
        let status = export(client(&instance, As::token(&token)), ada.id).await.unwrap_err();
        assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    assert_eq!(export(service(&world, &instance), ada.id).await.unwrap(), [], "who is not known has nothing here");
}

#[tokio::test]
async fn no_page_is_found_by_reading_a_whole_table() {
    let world = small_pages().await;
    let instance = world.start().await;
    let [ada, bob] = world.people(&instance);
    let (chat, group) = (ada.direct(&bob).await.unwrap(), bob.group("g", &[&ada]).await.unwrap());
    ada.send(&chat.id, "hello").await.unwrap();
    ada.remove(&group.id, &ada).await.unwrap();
    export(service(&world, &instance), ada.id).await.unwrap();
    // PostgreSQL's own counts; they come a moment later, those of one connection together.
    let counts = || async {
        let mut db = world.database.connect().await;
        let scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'members_former_user_id_idx'";
        let seen: i64 = sqlx::query_scalar(scans).fetch_one(&mut db).await.unwrap();
        let whole =
            "SELECT seq_scan FROM pg_stat_user_tables WHERE relname IN ('members', 'messages', 'creation_requests')";
        let whole: Vec<i64> = sqlx::query_scalar(whole).fetch_all(&mut db).await.unwrap();
        (seen > 0).then_some(whole)
    };
    let whole = eventually("the counts", Duration::from_secs(10), counts).await;
    assert_eq!(whole, [0, 0, 0]);
}
