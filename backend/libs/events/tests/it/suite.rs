//! What must hold over every bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::consumer::{list, request_redrive};
use events::{Backlog, Event, Item, Outbox, Relay, Source, Step, Topic};
use sqlx::PgConnection;
use testkit::{Dice, eventually};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use uuid::Uuid;

pub use crate::replays::*;
use crate::world::{Faults, SOON, Task, World, event};

pub const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

/// Writers, while relays and consumers are killed and started again all the time.
pub async fn each_event_has_one_effect_in_order_whoever_dies(world: World) {
    const AGGREGATES: u128 = 5;
    const CHANGES: i64 = 100;
    let (world, dice) = (Arc::new(world), Arc::new(Dice::new()));
    let mut writers = JoinSet::new();
    for aggregate in (1..=AGGREGATES).map(Uuid::from_u128).flat_map(|id| [id, id]) {
        let (world, dice) = (Arc::clone(&world), Arc::clone(&dice));
        writers.spawn(async move {
            let mut left = CHANGES / 2;
            while left > 0 {
                let (tx, _) = world.change(aggregate).await;
                if dice.one_in(5) {
                    continue; // it never happened
                }
                tx.commit().await.expect("committed");
                left -= 1;
            }
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut killers = JoinSet::new();
    for is_relay in [true, true, false, false] {
        let (world, dice, is_over) = (Arc::clone(&world), Arc::clone(&dice), Arc::clone(&is_over));
        killers.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let faults = Faults::default();
                let _life = if is_relay { world.start_relay().await } else { world.start_consumer(&faults).await };
                // How long it lives is chance, not a condition that is waited for.
                tokio::time::sleep(Duration::from_millis(50 + dice.roll(300) as u64)).await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer does not fail");
    }
    is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = killers.join_next().await {
        ended.expect("a killer does not fail");
    }
    let _relay = world.start_relay().await;
    let _consumer = world.start_consumer(&Faults::default()).await;
    world.eventually_effects(AGGREGATES as usize * CHANGES as usize).await;
    eventually("the outbox is empty", SOON, async || (world.waiting().await == 0).then_some(())).await;
    for aggregate in (1..=AGGREGATES).map(Uuid::from_u128) {
        assert_eq!(world.numbers(aggregate).await, (1..=CHANGES).collect::<Vec<_>>(), "{aggregate}");
    }
}

pub async fn a_group_that_grows_and_shrinks_at_work_acts_once_and_in_order(world: World) {
    let world = Arc::new(world);
    let aggregates: Vec<Uuid> = (1..=6).map(Uuid::from_u128).collect();
    let (_relay, first) = (world.start_relay().await, world.start_consumer(&Faults::default()).await);
    let writer = Task::spawn({
        let world = Arc::clone(&world);
        async move {
            for &aggregate in aggregates.iter().cycle() {
                world.commit_change(aggregate).await;
                world.ahead_of_effects_by_at_most(200).await;
            }
        }
    });
    let more = async || {
        let there = world.effects().await.len();
        world.eventually_effects(there + 60).await;
    };
    more().await;
    let second = world.start_consumer(&Faults::default()).await;
    more().await;
    let _third = world.start_consumer(&Faults::default()).await;
    more().await;
    drop(first);
    more().await;
    drop(second);
    more().await;
    drop(writer);
    let committed = world.changes().await;
    assert!(committed.iter().map(|(_, changes)| changes).sum::<i64>() >= 300);
    world
        .eventually_effects(usize::try_from(committed.iter().map(|(_, n)| n).sum::<i64>()).expect("not negative"))
        .await;
    for (aggregate, changes) in committed {
        assert_eq!(world.numbers(aggregate).await, (1..=changes).collect::<Vec<_>>(), "{aggregate}");
    }
}

pub async fn a_transaction_that_commits_late_is_not_passed_over(world: World) {
    let (bus, _worker) = world.bus().await;
    let mut relay = world.relay(&bus);
    let (late, _) = world.change(A).await;
    world.commit_change(B).await;
    assert_eq!(relay.step().await.expect("published"), Step::Done(1));
    let _consumer = world.start_consumer(&Faults::default()).await;
    assert_eq!(world.eventually_effects(1).await, [(B, 1)]);
    late.commit().await.expect("committed");
    assert_eq!(relay.step().await.expect("published"), Step::Done(1));
    assert_eq!(world.eventually_effects(2).await, [(B, 1), (A, 1)]);
}

/// An outbox that stops after it was read.
struct Stopping {
    outbox: Outbox,
    reached: Arc<Notify>,
}

impl Source for Stopping {
    type Mark = i64;

    async fn next(&mut self, conn: &mut PgConnection, limit: i64) -> Result<Vec<Item<i64>>, pg::Error> {
        self.outbox.next(conn, limit).await?;
        self.reached.notify_one();
        std::future::pending().await
    }

    async fn acknowledge(&mut self, conn: &mut PgConnection, done: &[Item<i64>]) -> Result<(), pg::Error> {
        self.outbox.acknowledge(conn, done).await
    }

    async fn backlog(&mut self, conn: &mut PgConnection) -> Result<Backlog, pg::Error> {
        self.outbox.backlog(conn).await
    }
}

pub async fn of_two_relays_one_leads_and_the_other_takes_over(world: World) {
    world.commit_change(A).await;
    let (bus, _worker) = world.bus().await;
    let reached = Arc::new(Notify::new());
    let source = Stopping { outbox: Outbox, reached: Arc::clone(&reached) };
    let mut leader = Relay::new("test", world.pool.clone(), source, bus.clone(), world.clock.clone());
    let leading = Task::spawn(async move {
        leader.step().await.expect("it never ends");
    });
    reached.notified().await;
    let other = Mutex::new(world.relay(&bus));
    assert_eq!(other.lock().await.step().await.expect("a look"), Step::NotMyTurn);
    drop(leading);
    eventually("the other has the turn", SOON, async || {
        (other.lock().await.step().await.expect("a look") == Step::Done(1)).then_some(())
    })
    .await;
    assert_eq!(world.waiting().await, 0);
}

pub async fn while_the_bus_is_away_rows_wait_and_then_all_arrive(world: World) {
    let faults = Faults::default();
    let _relay = world.start_relay().await;
    let _consumer = world.start_consumer(&faults).await;
    world.commit_change(A).await;
    world.eventually_effects(1).await;
    // The effect may be there before the relay has heard that its publication was stored.
    eventually("the outbox is empty", SOON, async || (world.waiting().await == 0).then_some(())).await;
    world.cut();
    let (bus, _worker) = world.bus().await;
    for _ in 0..20 {
        world.commit_change(A).await; // writing goes on
    }
    // Whether this relay has the turn or the other: nobody gets through.
    assert!(matches!(world.relay(&bus).step().await, Err(_) | Ok(Step::NotMyTurn)));
    assert_eq!(world.waiting().await, 20, "nothing is lost and nothing is acknowledged");
    world.mend();
    world.eventually_effects(21).await;
    assert_eq!(world.numbers(A).await, (1..=21).collect::<Vec<_>>());
    eventually("the outbox is empty", SOON, async || (world.waiting().await == 0).then_some(())).await;
}

pub async fn who_dies_between_effect_and_acknowledgement_has_no_effect_and_the_next_has_one(world: World) {
    let (bus, _worker) = world.bus().await;
    world.commit_change(A).await;
    world.relay(&bus).step().await.expect("published");
    let faults = Faults::default();
    faults.stall();
    let dying = world.start_consumer(&faults).await;
    tokio::time::timeout(SOON, faults.stalled()).await.expect("the handler has had its effect");
    drop(dying);
    let _consumer = world.start_consumer(&Faults::default()).await;
    world.commit_change(A).await;
    world.relay(&bus).step().await.expect("published");
    assert_eq!(world.eventually_effects(2).await, [(A, 1), (A, 2)]);
}

pub async fn an_event_that_is_published_twice_has_one_effect(world: World) {
    let (bus, _worker) = world.bus().await;
    let (first, second) = (event(world.clock.now(), A, 1), event(world.clock.now(), A, 2));
    bus.publish(&[&first]).await.expect("published");
    bus.publish(&[&first, &second]).await.expect("published again");
    let _consumer = world.start_consumer(&Faults::default()).await;
    assert_eq!(world.eventually_effects(2).await, [(A, 1), (A, 2)]);
}

pub async fn what_passes_holds_up_its_stream_and_loses_nothing(world: World) {
    let (bus, _worker) = world.bus().await;
    let faults = Faults::default();
    faults.be_away(true);
    let _consumer = world.start_consumer(&faults).await;
    for _ in 0..8 {
        world.commit_change(A).await;
    }
    let _relay = Task::spawn(world.relay(&bus).run());
    eventually("all is published", SOON, async || (world.waiting().await == 0).then_some(())).await;
    assert_eq!(world.effects().await, []);
    faults.be_away(false);
    world.eventually_effects(8).await;
    assert_eq!(world.numbers(A).await, (1..=8).collect::<Vec<_>>());
}

async fn letters(world: &World) -> Vec<(Event, Option<String>)> {
    let mut conn = world.pool.conn().await.expect("a connection");
    let letters = list(&mut conn, Some("test.scribe")).await.expect("listed");
    letters.into_iter().map(|letter| (letter.event, letter.fault)).collect()
}

pub async fn a_poisonous_event_stops_its_aggregate_alone_until_it_is_redriven(world: World) {
    let faults = Faults::default();
    let first = world.commit_change(A).await;
    let bad = world.commit_change(A).await;
    faults.poison(&bad);
    let behind = world.commit_change(A).await;
    for _ in 0..3 {
        world.commit_change(B).await;
    }
    let _relay = world.start_relay().await;
    let _consumer = world.start_consumer(&faults).await;
    eventually("the rest goes on", SOON, async || (world.numbers(B).await == [1, 2, 3]).then_some(())).await;
    let dead = eventually("two are dead", SOON, async || {
        let letters = letters(&world).await;
        (letters.len() == 2).then_some(letters)
    })
    .await;
    assert_eq!(dead, [(bad.clone(), Some("poison".to_owned())), (behind, None)]);
    let later = world.commit_change(A).await;
    eventually("what comes later waits behind it", SOON, async || {
        letters(&world).await.last().is_some_and(|(event, _)| *event == later).then_some(())
    })
    .await;
    assert_eq!(world.numbers(A).await, [1], "{first:?}");

    let redrive = async || {
        let mut conn = world.pool.conn().await.expect("a connection");
        request_redrive(&mut conn, "test.scribe", Some(A)).await.expect("asked for")
    };
    assert_eq!(redrive().await, 3);
    eventually("it has failed again", SOON, async || {
        let mut conn = world.pool.conn().await.expect("a connection");
        let asked: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE redrive")
            .fetch_one(&mut *conn)
            .await
            .expect("counted");
        (asked == 0).then_some(())
    })
    .await;
    assert_eq!((letters(&world).await.len(), world.numbers(A).await), (3, vec![1]));

    faults.heal(&bad);
    assert_eq!(redrive().await, 3);
    eventually("nothing is dead", SOON, async || letters(&world).await.is_empty().then_some(())).await;
    world.commit_change(A).await;
    world.eventually_effects(8).await;
    assert_eq!(world.numbers(A).await, [1, 2, 3, 4, 5]);
}

pub async fn a_tap_hears_what_happens_from_now_on(world: World) {
    let (bus, _worker) = world.bus().await;
    let events: Vec<Event> = (1..=12).map(|number| event(world.clock.now(), A, number)).collect();
    let mut all = events.iter();
    bus.publish(&[all.next().expect("one")]).await.expect("published");
    let (first, second) = (world.bus().await, world.bus().await);
    let mut taps = [
        first.0.tap(&[Topic::Messaging, Topic::User]).await.expect("open"),
        second.0.tap(&[Topic::Messaging]).await.expect("open"),
    ];
    bus.publish(&all.by_ref().take(6).collect::<Vec<_>>()).await.expect("published");
    bus.publish(&all.collect::<Vec<_>>()).await.expect("published");
    for tap in &mut taps {
        for expected in &events[1..] {
            let heard = tokio::time::timeout(SOON, tap.next()).await.expect("it comes");
            assert_eq!(&heard, expected, "everything of it");
        }
    }
}

/// All of them as tests of one bus.
macro_rules! suite {
    ($world:path: $($rule:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::suite::$rule($world().await).await;
            }
        )+
    };
    ($world:path) => {
        $crate::suite::suite! { $world:
            each_event_has_one_effect_in_order_whoever_dies
            a_group_that_grows_and_shrinks_at_work_acts_once_and_in_order
            a_transaction_that_commits_late_is_not_passed_over
            of_two_relays_one_leads_and_the_other_takes_over
            while_the_bus_is_away_rows_wait_and_then_all_arrive
            who_dies_between_effect_and_acknowledgement_has_no_effect_and_the_next_has_one
            an_event_that_is_published_twice_has_one_effect
            what_passes_holds_up_its_stream_and_loses_nothing
            a_poisonous_event_stops_its_aggregate_alone_until_it_is_redriven
            a_tap_hears_what_happens_from_now_on
            a_consumer_that_is_sent_back_acts_again
            a_consumer_is_sent_back_to_an_offset_or_ahead_to_a_time
        }
    };
}
pub(crate) use suite;
