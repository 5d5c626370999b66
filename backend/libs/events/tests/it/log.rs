//! The log in PostgreSQL: the suite, and what is its own.

use std::time::Duration;

use events::{Bus, Log, Outbox, Source, Topic};
use testkit::mock_clock;
use uuid::Uuid;

use crate::world::{Faults, Medium, SOON, Task, World, event, noise, pool};

crate::suite::suite!(World::over_log);

fn url(world: &World) -> &str {
    match &world.medium {
        Medium::Log { database, .. } => &database.url,
        #[cfg(feature = "kafka")]
        Medium::Kafka { .. } => panic!("the world is over the log"),
    }
}

#[tokio::test]
async fn old_events_are_dropped_and_a_consumer_goes_on_with_what_is_left() {
    let world = World::over_log().await;
    let (clock, hands) = mock_clock();
    let (log, worker) = Log::new(pool(url(&world)), clock.clone());
    let bus = Bus::Log(log);
    let a = Uuid::from_u128(1);
    bus.publish(&[&event(clock.now(), a, 1), &noise(clock.now())]).await.expect("published");
    hands.advance(Duration::from_secs(3600));
    bus.publish(&[&event(clock.now(), a, 2)]).await.expect("published");
    let worker = worker.keeping(Duration::from_secs(1800));
    assert_eq!(worker.drop_old().await.expect("dropped"), 2);
    assert_eq!(worker.drop_old().await.expect("nothing to drop"), 0);
    let _consumer = Task::spawn(world.consumer(&Faults::default()).run(bus));
    assert_eq!(world.eventually_effects(1).await, [(a, 2)]);
}

#[tokio::test]
async fn a_tap_hears_of_another_process_without_waiting_for_its_next_look() {
    let world = World::over_log().await;
    let ((mine, worker), (theirs, _)) =
        (Log::new(pool(url(&world)), world.clock.clone()), Log::new(pool(url(&world)), world.clock.clone()));
    let _worker = Task::spawn(worker.run());
    let mut tap = Bus::Log(mine).tap(&[Topic::Messaging]).await.expect("open");
    let theirs = Bus::Log(theirs);
    for number in 1..=20 {
        let sent = event(world.clock.now(), Uuid::from_u128(1), number);
        theirs.publish(&[&sent]).await.expect("published");
        assert_eq!(tokio::time::timeout(SOON, tap.next()).await.expect("it comes"), sent);
    }
}

#[tokio::test]
async fn data_that_is_too_long_is_refused_with_its_change() {
    let world = World::over_log().await;
    let mut long = event(world.clock.now(), Uuid::from_u128(1), 1);
    long.data = vec![0; events::MAX_DATA_BYTES + 1];
    let mut tx = world.pool.begin().await.expect("a transaction");
    let refused = events::outbox::append(&mut tx, &[long]).await.expect_err("too long");
    assert!(refused.is_constraint("outbox_data_check"), "{refused}");
}

#[tokio::test]
async fn a_backlog_tells_how_many_wait_and_since_when() {
    let world = World::over_log().await;
    let mut conn = world.pool.conn().await.expect("a connection");
    assert_eq!(Outbox.backlog(&mut conn).await.expect("counted"), events::Backlog::default());
    let first = world.commit_change(Uuid::from_u128(1)).await;
    world.commit_change(Uuid::from_u128(2)).await;
    let backlog = Outbox.backlog(&mut conn).await.expect("counted");
    assert_eq!((backlog.rows, backlog.oldest), (2, Some(first.time)));
}
