//! What happens when something breaks or there is too much of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chassis::config::Secret;
use protos::messaging::v1 as pb;
use sqlx::{Connection, Executor, PgConnection};
use testkit::{As, ChaosProxy, assert_reason, eventually};
use tokio::task::JoinHandle;
use tonic::{Code, Request};

use crate::world::{World, call, client, text_message};

const SOON: Duration = Duration::from_secs(10);

/// How many backends of this database wait for a lock.
pub async fn waiting_for_locks(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_row_fails_alone() {
    let world = World::with(|config| config.send.lanes = 1).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let (chat, group) = (alice.direct(&bob).await.unwrap(), alice.group("g", &[&bob]).await.unwrap());
    let mut db = world.database.connect().await;
    db.execute("ALTER TABLE messages ADD CONSTRAINT no_poison CHECK (client_message_id NOT LIKE '%poison')")
        .await
        .unwrap();
    for round in 0..5 {
        let sends = (0..20).map(|n| {
            let text = if n == 7 { "poison" } else { "fine" };
            let (id, client_id) = (if n % 2 == 0 { &chat.id } else { &group.id }, format!("{round}-{n}-{text}"));
            let alice = &alice;
            async move { (text, alice.send_as(id, text, &client_id).await) }
        });
        for (text, answer) in futures::future::join_all(sends).await {
            match answer {
                Ok(message) => assert_eq!(message.content, "fine"),
                Err(status) => {
                    assert_eq!(text, "poison");
                    assert_reason(&status, Code::Internal, "INTERNAL");
                }
            }
        }
    }
    for (id, count) in [(&chat.id, 50), (&group.id, 45)] {
        let history = bob.history(id).await.unwrap();
        assert_eq!(history.iter().map(|m| m.sequence).collect::<Vec<_>>(), (1..=count).collect::<Vec<i64>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_refuses_and_goes_on() {
    let world = World::with(|config| {
        config.send.lanes = 1;
        config.send.queue = 3;
        config.send.max_batch = 2;
    })
    .await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("g", &[&bob]).await.unwrap();
    let mut db = world.database.connect().await;
    let mut lock = db.begin().await.unwrap();
    lock.execute("SELECT FROM conversations FOR UPDATE").await.unwrap();
    let sends: Vec<_> = (0..20)
        .map(|n| {
            let (alice, id) = (alice.clone(), group.id.clone());
            tokio::spawn(async move { alice.send_as(&id, "x", &n.to_string()).await })
        })
        .collect();
    // At most two are being written and three wait: the others are answered although nothing moves.
    eventually("refusals", SOON, || {
        let refused = sends.iter().filter(|send| send.is_finished()).count();
        async move { (refused >= 15).then_some(()) }
    })
    .await;
    lock.rollback().await.unwrap();
    let mut stored = 0;
    for send in sends {
        match send.await.unwrap() {
            Ok(_) => stored += 1,
            Err(status) => assert_reason(&status, Code::ResourceExhausted, "OVERLOADED"),
        }
    }
    assert!((1..=5).contains(&stored), "{stored}");
    for n in 0..20 {
        alice.send_as(&group.id, "x", &n.to_string()).await.unwrap();
    }
    let history = bob.history(&group.id).await.unwrap();
    assert_eq!(history.iter().map(|m| m.sequence).collect::<Vec<_>>(), (1..=20).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_is_locked_for_long_keeps_no_other_from_being_written() {
    let world = World::with(|config| {
        config.send.lanes = 1;
        config.database.lock_timeout = Duration::from_millis(100);
    })
    .await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let (locked, free) = (alice.group("locked", &[&bob]).await.unwrap(), alice.group("free", &[&bob]).await.unwrap());
    let mut db = world.database.connect().await;
    let mut lock = db.begin().await.unwrap();
    lock.execute("SELECT FROM conversations WHERE name = 'locked' FOR UPDATE").await.unwrap();
    let sends = (0..20).map(|n| {
        let id = if n % 2 == 0 { &locked.id } else { &free.id };
        alice.send_as(id, "x", if n % 2 == 0 { "locked" } else { "free" })
    });
    for (n, answer) in futures::future::join_all(sends).await.into_iter().enumerate() {
        match answer {
            Ok(message) => assert_eq!((n % 2, message.conversation_id), (1, free.id.clone())),
            Err(status) => {
                assert_eq!(n % 2, 0, "{status:?}");
                let expected = if status.code() == Code::Aborted { "CONFLICT" } else { "UNAVAILABLE" };
                assert_reason(&status, status.code(), expected);
            }
        }
    }
    lock.rollback().await.unwrap();
    assert_eq!(alice.send_as(&locked.id, "x", "locked").await.unwrap().sequence, 1);
    assert_eq!(bob.history(&free.id).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sends_for_a_caller_who_has_left() {
    let world = World::with(|config| config.send.lanes = 1).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let group = alice.group("g", &[&bob]).await.unwrap();
    let (mut db, mut watch) = (world.database.connect().await, world.database.connect().await);
    let mut lock = db.begin().await.unwrap();
    lock.execute("SELECT FROM conversations FOR UPDATE").await.unwrap();
    let first = {
        let (alice, id) = (alice.clone(), group.id.clone());
        tokio::spawn(async move { alice.send(&id, "first").await })
    };
    let begun = std::time::Instant::now();
    while waiting_for_locks(&mut watch).await == 0 {
        assert!(begun.elapsed() < SOON, "the first message is being written");
    }
    let mut hasty = Request::new(text_message(&group.id, "too late", None));
    hasty.set_timeout(Duration::from_millis(50));
    let status = call(alice.rpc.clone().send_message(hasty)).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    // The server notices the deadline by its own clock.
    eventually("an empty slot", SOON, || async {
        let text = chassis::telemetry::metrics().render();
        text.contains("nova_rpc_calls_total{service=\"nova.messaging.v1.MessagingService\",method=\"SendMessage\",code=\"DeadlineExceeded\"}")
            .then_some(())
    })
    .await;
    lock.rollback().await.unwrap();
    first.await.unwrap().unwrap();
    alice.send(&group.id, "third").await.unwrap();
    let texts: Vec<String> = bob.history(&group.id).await.unwrap().into_iter().map(|m| m.content).collect();
    assert_eq!(texts, ["first", "third"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_is_unavailable_at_once_and_recovers_by_itself() {
    let mut world = World::new().await;
    let (proxy, url) = ChaosProxy::before_postgres(&world.database.url).await;
    world.config.database.url = Secret::from(url);
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    alice.send_as(&chat.id, "before", "1").await.unwrap();
    for round in 2..=4 {
        proxy.cut();
        let begun = std::time::Instant::now();
        let client_id = round.to_string();
        for status in [
            alice.send_as(&chat.id, "during", &client_id).await.unwrap_err(),
            alice.history(&chat.id).await.unwrap_err(),
            alice.unread(None).await.unwrap_err(),
        ] {
            assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "at once");
        proxy.mend();
        let sent = eventually("recovery", SOON, || async { alice.send_as(&chat.id, "during", &client_id).await.ok() });
        assert_eq!(sent.await.sequence, round);
    }
    assert_eq!(bob.history(&chat.id).await.unwrap().len(), 4);
}

/// Without a bound of its own a lane would wait until TCP gives up, which takes a quarter of an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_host_that_vanishes_without_a_word_costs_a_bounded_time() {
    let mut world = World::with(|config| {
        config.send.lanes = 1;
        config.database.statement_timeout = Duration::from_millis(500);
        config.database.connect_timeout = Duration::from_millis(500);
    })
    .await;
    let (proxy, url) = ChaosProxy::before_postgres(&world.database.url).await;
    world.config.database.url = Secret::from(url);
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    alice.send_as(&chat.id, "before", "1").await.unwrap();
    proxy.freeze();
    let begun = std::time::Instant::now();
    let mut services = client(&service, As::token(&world.tokens.service("user-service")));
    let changed = pb::InvalidateContactRequest { user_id_1: bob.id.to_string(), user_id_2: String::new() };
    let (sent, settled) = tokio::join!(
        alice.send_as(&chat.id, "during", "2"),
        call(services.invalidate_contact(changed)), // waits for the lane, for no longer
    );
    assert_reason(&sent.unwrap_err(), Code::Unavailable, "UNAVAILABLE");
    settled.unwrap();
    let again = alice.send_as(&chat.id, "during", "2").await.unwrap_err();
    assert_reason(&again, Code::Unavailable, "UNAVAILABLE");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    proxy.mend();
    let sent = eventually("recovery", SOON, || async { alice.send_as(&chat.id, "during", "2").await.ok() });
    assert_eq!(sent.await.sequence, 2);
    let history = eventually("reads too", SOON, || async { bob.history(&chat.id).await.ok() });
    assert_eq!(history.await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_do_not_wait_for_the_connections_of_other_calls() {
    let world = World::with(|config| config.database.max_connections = 2).await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let (locked, free) = (alice.group("locked", &[&bob]).await.unwrap(), alice.group("free", &[&bob]).await.unwrap());
    alice.send(&free.id, "the conversation is known").await.unwrap();
    let (mut db, mut watch) = (world.database.connect().await, world.database.connect().await);
    let mut lock = db.begin().await.unwrap();
    lock.execute("SELECT FROM conversations WHERE name = 'locked' FOR UPDATE").await.unwrap();
    let renames: Vec<_> = (0..2)
        .map(|_| {
            let (alice, id) = (alice.clone(), locked.id.clone());
            tokio::spawn(async move { alice.rename(&id, "renamed", 0).await })
        })
        .collect();
    let begun = std::time::Instant::now();
    while waiting_for_locks(&mut watch).await < 2 {
        assert!(begun.elapsed() < SOON, "both connections are in use");
    }
    assert_eq!(alice.send(&free.id, "on a lane's own connection").await.unwrap().sequence, 2);
    assert!(renames.iter().all(|rename| !rename.is_finished()), "none was given back meanwhile");
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT application_name FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'messaging%' ORDER BY 1",
    )
    .fetch_all(&mut watch)
    .await
    .unwrap();
    assert_eq!(names, ["messaging", "messaging-lanes"]);
    lock.rollback().await.unwrap();
    for rename in renames {
        rename.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_across_a_flickering_database_store_each_message_once() {
    let mut world = World::new().await;
    let (proxy, url) = ChaosProxy::before_postgres(&world.database.url).await;
    world.config.database.url = Secret::from(url);
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..8)
        .map(|s| {
            let (alice, id, sent) = (alice.clone(), chat.id.clone(), Arc::clone(&sent));
            tokio::spawn(async move {
                for n in 0..25 {
                    let client_id = format!("{s}-{n}");
                    eventually("sent at last", Duration::from_secs(120), || async {
                        alice.send_as(&id, "x", &client_id).await.ok()
                    })
                    .await;
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut cuts = 0;
    while senders.iter().any(|sender| !sender.is_finished()) {
        let before = sent.load(Ordering::Relaxed);
        proxy.cut();
        eventually("the cut", SOON, || async { bob.unread(None).await.err() }).await;
        proxy.mend();
        eventually("the end of the cut", SOON, || async { bob.unread(None).await.ok() }).await;
        // However busy the machine is, something gets through between two cuts.
        let is_over = || senders.iter().all(JoinHandle::is_finished);
        eventually("a message is sent", SOON, async || {
            (sent.load(Ordering::Relaxed) > before || is_over()).then_some(())
        })
        .await;
        cuts += 1;
    }
    assert!(cuts > 0);
    for sender in senders {
        sender.await.unwrap();
    }
    let history = bob.history(&chat.id).await.unwrap();
    assert_eq!(history.iter().map(|m| m.sequence).collect::<Vec<_>>(), (1..=200).collect::<Vec<i64>>());
}
