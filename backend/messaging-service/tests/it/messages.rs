//! Sending, reading, editing and deleting single messages.

use protos::messaging::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{World, text_message};

#[tokio::test]
async fn a_message_is_what_was_sent() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let sent = alice.send_as(&chat.id, "hello ✓", "c-1").await.unwrap();
    let expected = pb::Message {
        id: sent.id.clone(),
        conversation_id: chat.id.clone(),
        sender_id: alice.id.to_string(),
        content: "hello ✓".to_owned(),
        encrypted: None,
        sequence: 1,
        client_message_id: Some("c-1".to_owned()),
        created_at: "2026-06-01T12:00:00.000000Z".to_owned(),
        updated_at: "2026-06-01T12:00:00.000000Z".to_owned(),
        deleted_at: None,
        version: 1,
        erased: false,
    };
    assert_eq!(sent, expected);
    assert_eq!(bob.message(&sent.id).await.unwrap(), expected);
    assert_eq!(bob.history(&chat.id).await.unwrap(), std::slice::from_ref(&expected));
    assert_eq!(bob.conversation(&chat.id).await.unwrap().last_message, Some(expected));
}

#[tokio::test]
async fn client_encrypted_content_passes_through_untouched() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let sealed = pb::EncryptedContent { ciphertext: vec![0, 1, 255], nonce: (0..24).collect(), encryption_version: 3 };
    let request = pb::SendMessageRequest {
        conversation_id: chat.id.clone(),
        encrypted: Some(sealed.clone()),
        client_message_id: Some("sealed".to_owned()),
        ..Default::default()
    };
    let sent = alice.send_request(request.clone()).await.unwrap();
    assert_eq!((sent.content.as_str(), sent.encrypted.as_ref()), ("", Some(&sealed)));
    assert_eq!(alice.send_request(request).await.unwrap(), sent, "a retry");
    assert_eq!(bob.message(&sent.id).await.unwrap().encrypted, Some(sealed));

    let resealed = pb::EncryptedContent { ciphertext: vec![9], nonce: vec![7; 12], encryption_version: 4 };
    let edit = pb::UpdateMessageRequest {
        message_id: sent.id.clone(),
        encrypted: Some(resealed.clone()),
        ..Default::default()
    };
    let edited = crate::world::call(alice.rpc.clone().update_message(edit)).await.unwrap().message.unwrap();
    assert_eq!((edited.encrypted, edited.version), (Some(resealed), 2));
    let plain = alice.edit(&sent.id, "in clear after all", 2).await.unwrap();
    assert_eq!((plain.content.as_str(), plain.encrypted), ("in clear after all", None));
}

#[tokio::test]
async fn a_retry_is_the_same_message_and_other_content_is_refused() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let first = alice.send_as(&chat.id, "one", "key").await.unwrap();
    world.tick();
    assert_eq!(alice.send_as(&chat.id, "one", "key").await.unwrap(), first);
    let reused = alice.send_as(&chat.id, "two", "key").await.unwrap_err();
    assert_reason(&reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    // The id belongs to the sender and the conversation: elsewhere it is another one.
    assert_eq!(bob.send_as(&chat.id, "mine", "key").await.unwrap().sequence, 2);
    let group = alice.group("g", &[&bob]).await.unwrap();
    assert_eq!(alice.send_as(&group.id, "other", "key").await.unwrap().sequence, 1);

    // A retry shows the message as it is now, however it was changed.
    let edited = alice.edit(&first.id, "one, edited", 1).await.unwrap();
    assert_eq!(alice.send_as(&chat.id, "one", "key").await.unwrap(), edited);
    let reused = alice.send_as(&chat.id, "one, edited", "key").await.unwrap_err();
    assert_reason(&reused, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    let deleted = alice.delete(&first.id).await.unwrap();
    let gone = alice.send_as(&chat.id, "one", "key").await.unwrap();
    assert_eq!((gone.deleted_at, gone.content.as_str()), (Some(deleted.deleted_at), ""));
    assert_eq!(alice.conversation(&chat.id).await.unwrap().conversation.unwrap().last_sequence, 2);
}

#[tokio::test]
async fn a_message_without_a_client_id_is_new_each_time() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    assert_eq!(alice.send(&chat.id, "x").await.unwrap().sequence, 1);
    assert_eq!(alice.send(&chat.id, "x").await.unwrap().sequence, 2);
}

#[tokio::test]
async fn services_and_administrators_may_send_for_somebody() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, admin] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let for_alice =
        |text| pb::SendMessageRequest { sender_id: alice.id.to_string(), ..text_message(&chat.id, text, None) };
    let denied = bob.send_request(for_alice("forged")).await.unwrap_err();
    assert_reason(&denied, Code::PermissionDenied, "PERMISSION_DENIED");
    let tokens = [world.tokens.admin(admin.id), world.tokens.service("importer")];
    for (token, sequence) in tokens.iter().zip(1..) {
        let mut rpc = crate::world::client(&service, testkit::As::token(token));
        let sent = rpc.send_message(for_alice("on behalf")).await.unwrap().into_inner().message.unwrap();
        assert_eq!((sent.sender_id, sent.sequence), (alice.id.to_string(), sequence));
    }
    let mut rpc = crate::world::client(&service, testkit::As::token(&world.tokens.service("importer")));
    let nobody = crate::world::call(rpc.send_message(text_message(&chat.id, "whose?", None))).await.unwrap_err();
    assert_reason(&nobody, Code::PermissionDenied, "PERMISSION_DENIED");
}

#[tokio::test]
async fn only_the_sender_edits_and_only_the_expected_version() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("g", &[&bob]).await.unwrap();
    let message = bob.send(&group.id, "v1").await.unwrap();
    world.tick();
    let edited = bob.edit(&message.id, "v2", 1).await.unwrap();
    assert_eq!((edited.content.as_str(), edited.version, edited.sequence), ("v2", 2, 1));
    assert_eq!(edited.created_at, message.created_at);
    assert!(edited.updated_at > edited.created_at);
    let conflict = bob.edit(&message.id, "v3", 1).await.unwrap_err();
    assert_reason(&conflict, Code::Aborted, "VERSION_CONFLICT");
    assert_eq!(errors::ErrorDetailsOf::reason_metadata(&conflict, "current_version").as_deref(), Some("2"));
    assert_eq!(alice.message(&message.id).await.unwrap().content, "v2", "nothing has changed");
    assert_eq!(bob.edit(&message.id, "v3", 0).await.unwrap().version, 3);
    let owner = alice.edit(&message.id, "mine now", 0).await.unwrap_err();
    assert_reason(&owner, Code::PermissionDenied, "NOT_THE_SENDER");
    bob.delete(&message.id).await.unwrap();
    let deleted = bob.edit(&message.id, "v4", 0).await.unwrap_err();
    assert_reason(&deleted, Code::FailedPrecondition, "MESSAGE_DELETED");
    let others = alice.edit(&message.id, "v4", 0).await.unwrap_err();
    assert_reason(&others, Code::NotFound, "MESSAGE_NOT_FOUND");
}

#[tokio::test]
async fn of_concurrent_edits_of_one_version_exactly_one_wins() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let [alice, bob] = world.people(&one);
    let chat = alice.direct(&bob).await.unwrap();
    let message = alice.send(&chat.id, "start").await.unwrap();
    let elsewhere = world.same_person(alice.id, &two);
    for version in 1..=10 {
        let edits = (0..8).map(|n| {
            let editor = if n % 2 == 0 { &alice } else { &elsewhere };
            let (id, text) = (message.id.clone(), format!("{version}-{n}"));
            async move { editor.edit(&id, &text, version).await }
        });
        let results = futures::future::join_all(edits).await;
        let won: Vec<_> = results.iter().flatten().collect();
        assert_eq!(won.len(), 1, "version {version}");
        for lost in results.iter().filter_map(|r| r.as_ref().err()) {
            assert_reason(lost, Code::Aborted, "VERSION_CONFLICT");
        }
        let now = bob.message(&message.id).await.unwrap();
        assert_eq!((&now.content, now.version), (&won[0].content, version + 1));
    }
}

#[tokio::test]
async fn a_deleted_message_leaves_only_its_place() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let first = alice.send(&chat.id, "secret").await.unwrap();
    let second = alice.send_as(&chat.id, "second secret", "c").await.unwrap();
    world.tick();
    let denied = bob.delete(&second.id).await.unwrap_err();
    assert_reason(&denied, Code::PermissionDenied, "ROLE_REQUIRED");
    let deleted = alice.delete(&second.id).await.unwrap();
    world.tick();
    assert_eq!(alice.delete(&second.id).await.unwrap(), deleted, "a repeat answers the same");
    assert!(deleted.success);
    for person in [&alice, &bob] {
        let gone = person.message(&second.id).await.unwrap_err();
        assert_reason(&gone, Code::NotFound, "MESSAGE_NOT_FOUND");
        let view = person.conversation(&chat.id).await.unwrap();
        assert_eq!(view.last_message.map(|m| m.id), Some(first.id.clone()));
    }
    let page = bob.messages(pb::GetMessagesRequest { conversation_id: chat.id.clone(), ..Default::default() }).await;
    let page = page.unwrap();
    assert_eq!((page.messages.len(), page.total_count), (1, 1));
    let all = bob.history(&chat.id).await.unwrap();
    let tombstone = &all[1];
    assert_eq!((tombstone.sequence, tombstone.content.as_str(), tombstone.version), (2, "", 2));
    assert_eq!(tombstone.deleted_at.as_ref(), Some(&deleted.deleted_at));

    let mut db = world.database.connect().await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM messages m WHERE m::text LIKE '%second secret%'")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(kept, 0, "the content is wiped from the row");
}

#[tokio::test]
async fn owners_and_administrators_delete_in_groups() {
    let world = World::new().await;
    let service = world.start().await;
    let [owner, admin, member] = world.people(&service);
    let group = owner.group("g", &[&admin, &member]).await.unwrap();
    owner.set_role(&group.id, &admin, pb::member::Role::Admin).await.unwrap();
    for deleter in [&owner, &admin, &member] {
        let message = member.send(&group.id, "x").await.unwrap();
        deleter.delete(&message.id).await.unwrap();
    }
    let message = owner.send(&group.id, "x").await.unwrap();
    assert_reason(&member.delete(&message.id).await.unwrap_err(), Code::PermissionDenied, "ROLE_REQUIRED");
    let message = admin.send(&group.id, "x").await.unwrap();
    owner.delete(&message.id).await.unwrap();
    let hidden = member.delete(&message.id).await.unwrap_err();
    assert_reason(&hidden, Code::NotFound, "MESSAGE_NOT_FOUND");
}
