//! Promise G11: who has the database has no message.

use std::time::Duration;

use protos::messaging::v1 as pb;
use sealing::{MasterKey, MasterKeys, RootKey};
use sqlx::{Executor, PgConnection, Row};
use testkit::{As, assert_reason, eventually};
use tonic::Code;

use crate::listening::{short, text_of};
use crate::world::{World, call, client, text_message};

const SOON: Duration = Duration::from_secs(10);

/// Everything in the database, as text: each row of each table, with bytes as they are and in hexadecimal.
async fn dump(db: &mut PgConnection) -> String {
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&mut *db)
        .await
        .unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT t::text AS row FROM {table} t")))
            .fetch_all(&mut *db)
            .await
            .unwrap();
        for row in rows {
            dump.push_str(row.get::<&str, _>("row"));
            dump.push('\n');
        }
    }
    dump
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn no_text_lies_in_the_database() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let group = alice.group("named", &[&bob]).await.unwrap();
    let texts = ["the quick brown fox", "jumps over the lazy dog", "an edit of it", "a retry of this"];
    let first = alice.send(&chat.id, texts[0]).await.unwrap();
    bob.send(&group.id, texts[1]).await.unwrap();
    alice.edit(&first.id, texts[2], 1).await.unwrap();
    alice.send_as(&chat.id, texts[3], "again").await.unwrap();
    alice.send_as(&chat.id, texts[3], "again").await.unwrap();
    let encrypted =
        pb::EncryptedContent { ciphertext: b"by the client".to_vec(), nonce: vec![7; 12], encryption_version: 3 };
    let request = pb::SendMessageRequest {
        conversation_id: chat.id.clone(),
        encrypted: Some(encrypted.clone()),
        ..Default::default()
    };
    let sent = alice.send_request(request).await.unwrap();
    let dump = dump(&mut world.database.connect().await).await;
    assert!(dump.contains("named"), "it is a dump of all tables");
    for text in texts {
        assert!(!dump.contains(text) && !dump.contains(&hex(text)), "{text:?} lies in the database");
    }
    // Client-encrypted content is passed through untouched.
    assert!(dump.contains(&hex("by the client")));
    assert_eq!(bob.message(&sent.id).await.unwrap().encrypted, Some(encrypted));
    assert_eq!(bob.message(&first.id).await.unwrap().content, texts[2]);
    let history: Vec<String> = bob.history(&group.id).await.unwrap().into_iter().map(|m| m.content).collect();
    assert_eq!(history, [texts[1]]);
    assert_eq!(bob.conversation(&group.id).await.unwrap().last_message.unwrap().content, texts[1]);
}

#[tokio::test]
async fn a_sealed_text_is_of_no_use_in_another_place() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let one = alice.send(&chat.id, "one").await.unwrap();
    let other = alice.send(&chat.id, "other").await.unwrap();
    let edited = alice.send(&chat.id, "edited").await.unwrap();
    let mut db = world.database.connect().await;
    db.execute("UPDATE messages m SET sealed = o.sealed FROM messages o WHERE m.sequence = 1 AND o.sequence = 2")
        .await
        .unwrap();
    // What was said before the edit, put back with its old version's seal.
    let before: Vec<u8> =
        sqlx::query_scalar("SELECT sealed FROM messages WHERE sequence = 3").fetch_one(&mut db).await.unwrap();
    alice.edit(&edited.id, "edited twice", 1).await.unwrap();
    sqlx::query("UPDATE messages SET sealed = $1 WHERE sequence = 3").bind(before).execute(&mut db).await.unwrap();
    for id in [&one.id, &edited.id] {
        let message = bob.message(id).await.unwrap();
        assert_eq!((message.content.as_str(), message.erased), ("", true));
    }
    // Others on the same page are no worse for it.
    let texts: Vec<String> = bob.history(&chat.id).await.unwrap().into_iter().map(|m| m.content).collect();
    assert_eq!(texts, ["", "other", ""]);
    assert_eq!(bob.message(&other.id).await.unwrap().content, "other");
}

#[tokio::test]
async fn who_is_erased_leaves_no_word_that_could_be_read() {
    let world = World::new().await;
    let (service, replica) = (world.start().await, world.start().await);
    let [alice, bob, carol] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let group = alice.group("g", &[&bob, &carol]).await.unwrap();
    let words = alice.send_as(&chat.id, "my words", "1").await.unwrap();
    bob.send(&chat.id, "your words").await.unwrap();
    let mut ears = bob.listen_after(&bob, &chat.id).await;
    let away = ears.cursor.clone();
    alice.send(&group.id, "to the group").await.unwrap();
    ears.until("to the group").await;
    assert_eq!(world.same_person(bob.id, &replica).message(&words.id).await.unwrap().content, "my words");

    let mut auth = client(&service, As::token(&world.tokens.service("auth-service")));
    for _ in 0..2 {
        auth.erase_user(pb::EraseUserRequest { user_id: alice.id.to_string() }).await.unwrap();
    }
    let message = bob.message(&words.id).await.unwrap();
    assert_eq!((message.content.as_str(), message.erased, message.sequence), ("", true, 1));
    let texts: Vec<String> = bob.history(&chat.id).await.unwrap().into_iter().map(|m| m.content).collect();
    assert_eq!(texts, ["", "your words", "listening?"]);
    // Groups go on without them.
    let told: Vec<String> = ears.take(2).await.iter().map(short).collect();
    assert_eq!(told, ["removed", "is Owner now"]);
    assert_eq!(bob.members(&group.id).await.unwrap().len(), 2);
    // Who comes back later is not told either.
    let mut late = bob.listen_from(&away).await;
    assert_eq!(text_of(&late.next().await), Some(""));
    // Nothing of theirs is taken any more, and no new key takes the place of the old.
    let status = alice.send(&chat.id, "a ghost").await.unwrap_err();
    assert_reason(&status, Code::Unauthenticated, "TOKEN_REVOKED");
    // What the key opened is nowhere in the database; with the master key there is nothing to unwrap.
    let mut db = world.keys.connect().await;
    let left: Option<Vec<u8>> = sqlx::query_scalar("SELECT wrapped FROM user_keys WHERE user_id = $1")
        .bind(alice.id.uuid())
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(left, None);
    // A replica that starts now has never had the key.
    let fresh = world.start().await;
    assert!(world.same_person(bob.id, &fresh).message(&words.id).await.unwrap().erased);
}

#[tokio::test]
async fn a_backup_of_the_messages_opens_nothing_of_who_is_erased_later() {
    let mut world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    alice.send(&chat.id, "my words").await.unwrap();
    bob.send(&chat.id, "your words").await.unwrap();
    service.stop().await;
    let (backup, keys_before) = (world.database.copy().await, world.keys.copy().await);
    let service = world.start().await;
    let mut auth = client(&service, As::token(&world.tokens.service("auth-service")));
    auth.erase_user(pb::EraseUserRequest { user_id: alice.id.to_string() }).await.unwrap();
    service.stop().await;

    // The backup is put back, with the master key, beside the keys as they are now.
    let texts = async |world: &World| {
        let service = world.start().await;
        let history = world.same_person(bob.id, &service).history(&chat.id).await.unwrap();
        service.stop().await;
        history.into_iter().map(|m| (m.content, m.erased)).collect::<Vec<_>>()
    };
    world.config.database = backup.section();
    let after = [(String::new(), true), ("your words".to_owned(), false)];
    assert_eq!(texts(&world).await, after);
    // Nothing in the backup itself is a key of hers: without the database of keys nobody's words can be opened.
    let none = testkit::TestDatabase::new(&messaging_service::KEYS_MIGRATOR).await;
    world.config.keys = none.section();
    assert!(texts(&world).await.iter().all(|(text, erased)| text.is_empty() && *erased));
    // It is a backup, though: with the keys of its time it is all there.
    world.config.keys = keys_before.section();
    assert!(texts(&world).await.iter().all(|(text, erased)| !text.is_empty() && !erased));
}

#[tokio::test]
async fn keys_that_an_earlier_release_kept_beside_the_messages_are_moved() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let message = alice.send(&chat.id, "from before").await.unwrap();
    service.stop().await;
    let key = "SELECT wrapped, created_at FROM user_keys WHERE user_id = $1";
    let mut keys = world.keys.connect().await;
    let row = sqlx::query(key).bind(alice.id.uuid()).fetch_one(&mut keys).await.unwrap();
    let mut db = world.database.connect().await;
    sqlx::query("INSERT INTO user_keys_to_move (user_id, wrapped, created_at) VALUES ($1, $2, $3)")
        .bind(alice.id.uuid())
        .bind(row.get::<Vec<u8>, _>("wrapped"))
        .bind(row.get::<chrono::DateTime<chrono::Utc>, _>("created_at"))
        .execute(&mut db)
        .await
        .unwrap();
    keys.execute("DELETE FROM user_keys").await.unwrap();
    // Of replicas that start at once each may do it.
    let (service, other) = tokio::join!(world.start(), world.start());
    assert_eq!(world.same_person(bob.id, &service).message(&message.id).await.unwrap().content, "from before");
    assert_eq!(world.same_person(bob.id, &other).message(&message.id).await.unwrap().content, "from before");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM user_keys_to_move").fetch_one(&mut db).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_is_changed_while_everything_goes_on() {
    let mut world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let old = world.config.master_key.expose().to_owned();
    let new = MasterKey::generate_base64();
    let keys = MasterKeys::from_base64(&new, [old.as_str()]).unwrap();
    let sending = tokio::spawn({
        let (alice, chat) = (alice.clone(), chat.id.clone());
        async move {
            for n in 0..60 {
                alice.send_as(&chat, &format!("{n}"), &format!("{n}")).await.unwrap();
            }
        }
    });
    let mut db = world.database.connect().await;
    assert!(RootKey::wrap_anew(&mut db, &keys, messaging_service::DATABASE).await.unwrap());
    assert!(!RootKey::wrap_anew(&mut db, &keys, messaging_service::DATABASE).await.unwrap(), "once is enough");
    sending.await.unwrap();
    assert_eq!(bob.history(&chat.id).await.unwrap().len(), 60);
    service.stop().await;

    // The old key opens nothing any more; with the new one everything is there.
    let life = chassis::Lifecycle::new(world.clock.clone());
    let refused = messaging_service::start(world.config.clone(), life, chassis::Wiring::default()).await;
    let error = format!("{:#}", refused.err().expect("it does not start"));
    assert!(error.contains("messaging.master_key") && error.contains("another master key"), "{error}");
    world.config.master_key = new.as_str().into();
    let service = world.start().await;
    let texts = world.same_person(bob.id, &service).history(&chat.id).await.unwrap();
    assert!(texts.iter().enumerate().all(|(n, m)| m.content == n.to_string()));
}

#[tokio::test]
async fn what_an_earlier_release_left_in_clear_is_sealed() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let message = alice.send_as(&chat.id, "was sealed", "1").await.unwrap();
    service.stop().await;
    let mut db = world.database.connect().await;
    db.execute("UPDATE messages SET content = 'lay in clear', sealed = NULL").await.unwrap();
    let service = world.start().await;
    let bob = world.same_person(bob.id, &service);
    assert_eq!(bob.message(&message.id).await.unwrap().content, "lay in clear");
    eventually("it is sealed", SOON, async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM messages WHERE content IS NOT NULL")
            .fetch_one(&mut world.database.connect().await)
            .await
            .unwrap();
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(bob.message(&message.id).await.unwrap().content, "lay in clear");
    // The retry of its sender is still the same message.
    let alice = world.same_person(alice.id, &service);
    let again = call(alice.rpc.clone().send_message(text_message(&chat.id, "lay in clear", Some("1")))).await.unwrap();
    assert_eq!(again.message.unwrap().id, message.id);
}
