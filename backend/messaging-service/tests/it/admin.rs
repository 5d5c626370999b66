//! `nova admin reconcile`: finds nothing where nothing is wrong, and puts right what somebody broke.

use std::time::Duration;

use messaging_service::admin::{self, Report};
use pg::Pool;
use sqlx::{Connection, Executor};
use testkit::eventually;

use crate::world::World;

/// Reconciles the world's database.
pub async fn reconcile(world: &World) -> Report {
    let pool = Pool::new(world.database.section().pool_config("admin")).unwrap();
    admin::reconcile(&pool, true).await.unwrap()
}

#[tokio::test]
async fn broken_counts_are_found_and_repaired() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob, carol] = world.people(&service);
    let chat = alice.direct(&bob).await.unwrap();
    let group = alice.group("g", &[&bob, &carol]).await.unwrap();
    for n in 0..6 {
        alice.send(&chat.id, &n.to_string()).await.unwrap();
        let sent = bob.send(&group.id, &n.to_string()).await.unwrap();
        if n % 2 == 0 {
            bob.delete(&sent.id).await.unwrap();
        }
    }
    carol.remove(&group.id, &carol).await.unwrap();
    let report = reconcile(&world).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.conversations, 2);
    let before = (alice.unread(None).await.unwrap(), bob.unread(None).await.unwrap());

    let mut db = world.database.connect().await;
    let breaks = "UPDATE conversations SET live_count = live_count - 1, member_count = member_count + 1;
                  UPDATE conversations SET last_sequence = last_sequence + 5 WHERE kind = 1;
                  UPDATE messages SET sender_ordinal = sender_ordinal + 1 WHERE sequence = 3";
    db.execute(breaks).await.unwrap();
    let pool = Pool::new(world.database.section().pool_config("admin")).unwrap();
    let checked = admin::reconcile(&pool, false).await.unwrap();
    let report = reconcile(&world).await;
    assert_eq!(checked, report, "a check finds the same and changes nothing");
    let wrong = report.wrong;
    assert_eq!((wrong.live_counts, wrong.member_counts, wrong.last_sequences), (2, 2, 1), "{report}");
    assert_eq!((wrong.sender_ordinals, wrong.gaps), (2, 0), "{report}");
    assert!(reconcile(&world).await.is_clean());
    assert_eq!((alice.unread(None).await.unwrap(), bob.unread(None).await.unwrap()), before);
    assert_eq!(alice.send(&chat.id, "next").await.unwrap().sequence, 7);

    db.execute("DELETE FROM messages WHERE sequence = 2").await.unwrap();
    assert_eq!(reconcile(&world).await.wrong.gaps, 2, "a hole is reported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_locks_nothing_and_a_repair_one_conversation_at_a_time() {
    let world = World::new().await;
    let service = world.start().await;
    let [alice, bob] = world.people(&service);
    let mut ids = [alice.direct(&bob).await.unwrap().id, alice.group("g", &[&bob]).await.unwrap().id];
    ids.sort();
    let [first, second] = ids;
    let mut db = world.database.connect().await;
    db.execute("UPDATE conversations SET member_count = 7").await.unwrap();
    let mut holder = world.database.connect().await;
    let mut lock = holder.begin().await.unwrap();
    let locking = "SELECT FROM conversations WHERE id = $1::uuid FOR UPDATE";
    sqlx::query(locking).bind(&second).execute(&mut *lock).await.unwrap();

    let pool = Pool::new(world.database.section().pool_config("admin")).unwrap();
    let found = admin::reconcile(&pool, false).await.unwrap();
    assert_eq!(found.wrong.member_counts, 2, "found although one of them is locked");

    let repairing = tokio::spawn(async move { admin::reconcile(&pool, true).await });
    while crate::faults::waiting_for_locks(&mut db).await == 0 {
        assert!(!repairing.is_finished(), "the second one is locked");
    }
    let sent = eventually("the first is repaired and free", Duration::from_secs(5), || async {
        let count = alice.conversation(&first).await.unwrap().conversation.unwrap().member_count;
        (count == 2).then_some(())
    });
    sent.await;
    alice.send(&first, "not kept waiting").await.unwrap();
    lock.rollback().await.unwrap();
    assert_eq!(repairing.await.unwrap().unwrap(), found);
    assert!(reconcile(&world).await.is_clean());
}
