//! When a cursor is good, and what is told when it is not; and that no transaction's timing makes a hole.

use std::time::Duration;

use chassis::config::Secret;
use chrono::TimeDelta;
use futures::FutureExt;
use messaging_service::app::events::Expiry;
use pg::{Pool, PoolConfig};
use protos::messaging::v1 as pb;
use sqlx::{Executor, PgConnection};
use testkit::{ChaosProxy, assert_reason, eventually};
use tonic::Code;

use crate::listening::{short, text_of};
use crate::world::World;

/// Longer than a stream is held back by another transaction before it looks closer.
const A_WHILE: Duration = Duration::from_millis(500);

fn from(cursor: &str) -> pb::StreamEventsRequest {
    pb::StreamEventsRequest { cursor: Some(cursor.to_owned()), conversation_ids: vec![] }
}

#[tokio::test]
async fn a_text_that_is_no_cursor_is_refused() {
    let world = World::new().await;
    let service = world.start().await;
    let alice = world.person(&service);
    let good = alice.listen().await.cursor;
    for bad in ["x", "AAAA", &good[1..], &format!("{good}A"), &format!("C{}", &good[1..]), "✓"] {
        let status = alice.listen_with(from(bad)).await.err().unwrap();
        assert_reason(&status, Code::InvalidArgument, "CURSOR_INVALID");
    }
    alice.listen_with(from("")).await.unwrap();
}

#[tokio::test]
async fn a_cursor_before_what_is_kept_has_expired_and_one_after_it_has_not() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = alice.listen().await;
    let old = ears.cursor.clone();
    bob.send(&chat.id, "old").await.unwrap();
    ears.until("old").await;
    let kept = ears.cursor.clone();
    world.hands.advance(Duration::from_secs(20 * 24 * 3600));
    // Tokens are not as old as that.
    let (alice, bob) = (world.same_person(alice.id, &service), world.same_person(bob.id, &service));
    bob.send(&chat.id, "young").await.unwrap();
    world.hands.advance(Duration::from_secs(11 * 24 * 3600));
    let alice = world.same_person(alice.id, &service);

    let pool = Pool::new(PoolConfig { plans_by_index: true, ..world.config.database.pool_config("test") }).unwrap();
    let expiry = Expiry::new(pool, world.clock.clone(), TimeDelta::days(30));
    assert_eq!(expiry.step().await.unwrap(), 2, "the conversation and its first message");
    assert_eq!(expiry.step().await.unwrap(), 0);

    let status = alice.listen_with(from(&old)).await.err().unwrap();
    assert_reason(&status, Code::OutOfRange, "CURSOR_EXPIRED");
    // The last that was dropped may not have been the last of its transaction, so its cursor is gone too.
    let status = alice.listen_with(from(&kept)).await.err().unwrap();
    assert_reason(&status, Code::OutOfRange, "CURSOR_EXPIRED");
    let mut ears = alice.listen().await;
    world.same_person(bob.id, &service).send(&chat.id, "new").await.unwrap();
    assert_eq!(text_of(&ears.next().await), Some("new"));
}

#[tokio::test]
async fn a_cursor_of_another_database_or_of_its_future_has_expired() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let (service, other) = (world.start().await, elsewhere.start().await);
    let alice = world.person(&service);
    // Databases of tests are copies of one.
    let mut db = elsewhere.database.connect().await;
    db.execute("UPDATE event_clock SET log_id = log_id + 1").await.unwrap();
    let foreign = elsewhere.person(&other).listen().await.cursor;
    let status = alice.listen_with(from(&foreign)).await.err().unwrap();
    assert_reason(&status, Code::OutOfRange, "CURSOR_EXPIRED");

    let own = alice.listen().await.cursor;
    let mut db = world.database.connect().await;
    // As if the database had been set back to an older state.
    db.execute("UPDATE event_clock SET xid_offset = xid_offset - 1000000").await.unwrap();
    let status = alice.listen_with(from(&own)).await.err().unwrap();
    assert_reason(&status, Code::OutOfRange, "CURSOR_EXPIRED");
}

#[tokio::test]
async fn a_dump_restored_in_a_younger_server_goes_on_after_what_it_holds() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = alice.listen().await;
    bob.send(&chat.id, "before").await.unwrap();
    ears.until("before").await;
    service.stop().await;
    let mut db = world.database.connect().await;
    // The events of a server that had counted further.
    db.execute("UPDATE conversation_events SET position = position + 5000000").await.unwrap();
    db.execute("UPDATE conversations SET last_position = last_position + 5000000").await.unwrap();
    let service = world.start().await;
    let (alice, bob) = (world.same_person(alice.id, &service), world.same_person(bob.id, &service));
    let mut ears = alice.listen().await;
    bob.send(&chat.id, "after").await.unwrap();
    assert_eq!(text_of(&ears.next().await), Some("after"));
    let carol = world.person(&service);
    carol.group("new", &[&alice]).await.unwrap();
    assert_eq!(short(&ears.next().await), "created \"new\"");
}

#[tokio::test]
async fn every_restore_begins_a_log_and_those_before_are_remembered() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut db = world.database.connect().await;
    let mut logs: Vec<i32> = vec![];
    for text in ["one", "two"] {
        bob.send(&chat.id, text).await.unwrap();
        // Done twice without an event in between, as by a command that is repeated, it is one restore.
        for _ in 0..2 {
            messaging_service::admin::begin_another_log(&mut db).await.unwrap();
        }
        logs.push(sqlx::query_scalar("SELECT log_id FROM event_clock").fetch_one(&mut db).await.unwrap());
    }
    let restores: Vec<(i64, i32)> =
        sqlx::query_as("SELECT after_position, log_id FROM restores ORDER BY 1").fetch_all(&mut db).await.unwrap();
    assert_eq!(restores.iter().map(|(_, log)| *log).collect::<Vec<_>>(), logs);
    let newest: i64 =
        sqlx::query_scalar("SELECT max(position) FROM conversation_events").fetch_one(&mut db).await.unwrap();
    assert_eq!(restores[1].0, newest);
}

#[tokio::test]
async fn a_log_whose_events_have_all_expired_goes_on_above_them_in_a_younger_server() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    service.stop().await;
    let mut db = world.database.connect().await;
    db.execute("DELETE FROM conversation_events").await.unwrap();
    db.execute("UPDATE event_clock SET expired_position = 5000000").await.unwrap();
    db.execute("UPDATE conversations SET last_position = 5000000").await.unwrap();
    let service = world.start().await;
    let (alice, bob) = (world.same_person(alice.id, &service), world.same_person(bob.id, &service));
    let mut ears = alice.listen().await;
    bob.send(&chat.id, "after").await.unwrap();
    assert_eq!(text_of(&ears.next().await), Some("after"));
    bob.send(&chat.id, "and on").await.unwrap();
    assert_eq!(text_of(&alice.listen_from(&ears.cursor).await.next().await), Some("and on"));
}

/// Sends a message by hand in a transaction of its own, which is left open.
async fn send_in_open_transaction(db: &mut PgConnection, conversation: &str, sender: ids::UserId, text: &str) {
    db.execute("BEGIN").await.unwrap();
    let id = ids::MessageId::generate(chrono::DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    sqlx::query(
        "SELECT r_outcome FROM send_messages_v1(ARRAY[$1::uuid], ARRAY[$2::uuid], ARRAY[$3::uuid], ARRAY[NULL::text],
             ARRAY[$4::text], ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY[NULL::integer], ARRAY[NULL::bytea],
             ARRAY[NULL::integer], now())",
    )
    .bind(conversation.parse::<ids::ConversationId>().unwrap().uuid())
    .bind(sender.uuid())
    .bind(id.uuid())
    .bind(text)
    .execute(db)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_commits_late_loses_nobody_an_event() {
    let world = World::new().await;
    let (service, replica) = (world.start().await, world.start().await);
    let [alice, bob, carol] = world.people(&service);
    let (chat, other) = (alice.direct(&bob).await.unwrap(), alice.direct(&carol).await.unwrap());
    let mut near = alice.listen_after(&bob, &chat.id).await;
    let start = near.cursor.clone();
    let mut far = world.same_person(alice.id, &replica).listen_from(&start).await;
    let mut db = world.database.connect().await;
    send_in_open_transaction(&mut db, &chat.id, bob.id, "late").await;
    for n in 0..50 {
        carol.send(&other.id, &format!("{n}")).await.unwrap();
    }
    // Long enough for both to look for what they may hand out although a transaction is open.
    let early = tokio::time::timeout(A_WHILE, near.next()).await;
    assert!(early.is_err(), "what follows the open transaction's is handed out only when that is over: {early:?}");
    let mut joined = world.same_person(alice.id, &replica).listen_from(&start).await;
    db.execute("COMMIT").await.unwrap();
    carol.send(&other.id, "end").await.unwrap();
    let mut logs = vec![];
    for ears in [&mut near, &mut far, &mut joined] {
        let told: Vec<String> = ears.until("end").await.iter().map(|e| text_of(e).unwrap().to_owned()).collect();
        assert_eq!(told.len(), 52, "{told:?}");
        assert_eq!(told.iter().filter(|text| *text == "late").count(), 1);
        let in_order: Vec<String> = (0..50).map(|n| n.to_string()).chain(["end".to_owned()]).collect();
        assert_eq!(told.iter().filter(|text| *text != "late").cloned().collect::<Vec<_>>(), in_order);
        logs.push(told);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(alice.listen_from(&start).await.until("end").await.len(), 52);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_rolled_back_leaves_no_trace() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let (chat, other) = (alice.direct(&bob).await.unwrap(), alice.direct(&carol).await.unwrap());
    let mut ears = alice.listen_after(&bob, &chat.id).await;
    let mut db = world.database.connect().await;
    send_in_open_transaction(&mut db, &chat.id, bob.id, "never").await;
    carol.send(&other.id, "end").await.unwrap();
    db.execute("ROLLBACK").await.unwrap();
    assert_eq!(ears.until("end").await.len(), 1);
    bob.send(&chat.id, "the next").await.unwrap();
    assert_eq!(ears.next().await.event_number, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_another_database_holds_nobody_up() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = alice.listen_after(&bob, &chat.id).await;
    let elsewhere = World::new().await;
    let mut db = elsewhere.database.connect().await;
    db.execute("BEGIN").await.unwrap();
    db.execute("SELECT pg_current_xact_id()").await.unwrap();
    for n in 0..3 {
        bob.send(&chat.id, &format!("{n}")).await.unwrap();
        assert_eq!(text_of(&ears.next().await), Some(format!("{n}").as_str()));
    }
    db.execute("ROLLBACK").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_removed_never_sees_a_later_edit() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let group = alice.group("g", &[&bob]).await.unwrap();
    let chat = carol.direct(&bob).await.unwrap();
    let bobs = bob.listen_after(&carol, &chat.id).await;
    let mut alices = alice.listen_after(&bob, &group.id).await;
    let start = bobs.cursor.clone();
    drop(bobs);
    let bobs = bob.listen_from(&start).await;
    let mut db = world.database.connect().await;
    // While this is open nothing is handed out, and everything that follows is known when it is.
    send_in_open_transaction(&mut db, &chat.id, carol.id, "wait").await;
    let message = alice.send(&group.id, "harmless").await.unwrap();
    alice.remove(&group.id, &bob).await.unwrap();
    alice.edit(&message.id, "not for bob", 1).await.unwrap();
    db.execute("COMMIT").await.unwrap();
    carol.send(&chat.id, "end").await.unwrap();
    for mut ears in [bobs, bob.listen_from(&start).await] {
        let told: Vec<String> = ears.until("end").await.iter().map(short).collect();
        let told: Vec<&str> = told.iter().map(String::as_str).filter(|text| !text.contains("listening?")).collect();
        assert_eq!(told, ["sent 2 v1 \"wait\"", "removed", "sent 3 v1 \"end\""]);
    }
    let told: Vec<String> = alices.take(3).await.iter().map(short).collect();
    assert_eq!(told, ["sent 2 v2 \"not for bob\"", "removed", "edited 2 v2 \"not for bob\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_survives_a_database_that_goes_away() {
    let mut world = World::new().await;
    let (proxy, url) = ChaosProxy::before_postgres(&world.database.url).await;
    world.config.database.url = Secret::from(url);
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut ears = alice.listen_after(&bob, &chat.id).await;
    proxy.cut();
    bob.send(&chat.id, "refused").await.unwrap_err();
    proxy.mend();
    eventually("sending works again", Duration::from_secs(10), || {
        bob.send_as(&chat.id, "after", "after").map(Result::ok)
    })
    .await;
    let told: Vec<String> = ears.until("after").await.iter().map(short).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_nothing_is_cut_off_and_goes_on_from_the_cursor() {
    let world = World::with(|config| config.streams.slow_reader = Duration::from_secs(1)).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let mut slow = alice.listen_after(&bob, &chat.id).await;
    // More than connections and queues hold.
    let text = "x".repeat(60_000);
    for n in 0..120 {
        bob.send_as(&chat.id, &text, &format!("{n}")).await.unwrap();
    }
    let admin = crate::world::client(&service, testkit::As::token(&world.tokens.admin(bob.id)));
    eventually("the stream is cut off", Duration::from_secs(20), async || {
        let stats = admin.clone().get_stream_stats(pb::GetStreamStatsRequest {}).await.unwrap().into_inner();
        (stats.slow_readers == 1).then_some(())
    })
    .await;
    let mut seen = vec![];
    let status = loop {
        match slow.any().await {
            Ok(event) if event.event_number > 0 => seen.push(event.event_number),
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_reason(&status, Code::ResourceExhausted, "SLOW_READER");
    let details = tonic_types::StatusExt::get_error_details(&status);
    let cursor = details.error_info().unwrap().metadata["cursor"].clone();
    assert_eq!(cursor, slow.cursor, "the last that was told");
    let mut ears = alice.listen_from(&cursor).await;
    let rest = ears.take(120 - seen.len()).await;
    seen.extend(rest.iter().map(|event| event.event_number));
    assert_eq!(seen, (3..=122).collect::<Vec<i64>>());
}
