//! Consumers that are sent back, or ahead: a part of the suite.

use events::consumer::{Place, ReplayError, ReplayFrom, places, replay, skip};
use events::{Bus, Topic};
use testkit::eventually;

use crate::suite::A;
use crate::world::{Faults, SOON, World, event};

pub async fn a_consumer_that_is_sent_back_acts_again(world: World) {
    let (bus, _worker) = world.bus().await;
    let (early, late) = (event(world.clock.now(), A, 1), event(world.clock.now(), A, 2));
    bus.publish(&[&early]).await.expect("published");
    let consumer = world.start_consumer(&Faults::default()).await;
    world.eventually_effects(1).await;
    let since = world.clock.now();
    bus.publish(&[&late]).await.expect("published");
    world.eventually_effects(2).await;
    drop(consumer);
    assert_eq!(sent_back(&world, &bus, ReplayFrom::Time(since)).await, 1);
    let _consumer = world.start_consumer(&Faults::default()).await;
    assert_eq!(world.eventually_effects(3).await, [(A, 1), (A, 2), (A, 2)]);
}

pub async fn a_consumer_is_sent_back_to_an_offset_or_ahead_to_a_time(world: World) {
    let (bus, _worker) = world.bus().await;
    let say = async |number| {
        // The one partition that grows has the aggregate.
        let before = the_places(&world, &bus).await;
        bus.publish(&[&event(world.clock.now(), A, number)]).await.expect("published");
        let after = the_places(&world, &bus).await;
        let grown = before.iter().zip(&after).find(|(before, after)| before.end < after.end);
        let (before, after) = grown.expect("the event is somewhere");
        assert!(after.first <= before.end, "it is still there");
        (after.partition, before.end)
    };
    let since = world.clock.now();
    say(1).await;
    let (partition, offset) = say(2).await;
    let consumer = world.start_consumer(&Faults::default()).await;
    world.eventually_effects(2).await;
    drop(consumer);
    assert_eq!(sent_back(&world, &bus, ReplayFrom::Offset { partition, offset }).await, 1);
    let consumer = world.start_consumer(&Faults::default()).await;
    assert_eq!(world.eventually_effects(3).await, [(A, 1), (A, 2), (A, 2)]);
    drop(consumer);

    say(3).await;
    let (partition, offset) = say(4).await;
    assert_eq!(sent_back(&world, &bus, ReplayFrom::Offset { partition, offset }).await, 2, "3 was not done yet");
    let consumer = world.start_consumer(&Faults::default()).await;
    assert_eq!(world.eventually_effects(5).await[3..], [(A, 3), (A, 4)]);

    // Ahead, past 5, and never back.
    drop(consumer);
    say(5).await;
    let now = world.clock.now();
    say(6).await;
    for until in [now, since] {
        let skip = async || skip(&world.pool, &bus, "test.scribe", &[Topic::Messaging], until).await.ok();
        eventually("the consumer is gone", SOON, skip).await;
    }
    let consumer = world.start_consumer(&Faults::default()).await;
    assert_eq!(world.eventually_effects(6).await[5..], [(A, 6)]);
    let ends = eventually("everything is noted as done", SOON, async || {
        let places = the_places(&world, &bus).await;
        places.iter().all(|place| place.behind == 0).then_some(places)
    })
    .await;
    drop(consumer);
    for Place { partition, end: offset, .. } in ends {
        assert_eq!(
            sent_back(&world, &bus, ReplayFrom::Offset { partition, offset }).await,
            0,
            "nothing came since then"
        );
    }

    let replay = async |partition, offset| {
        let from = ReplayFrom::Offset { partition, offset };
        replay(&world.pool, &bus, "test.scribe", Topic::Messaging, from).await.expect_err("there is no such place")
    };
    assert!(matches!(replay(partition, offset + 1_000).await, ReplayError::NoSuchOffset { .. }));
    assert!(matches!(replay(partition, -1).await, ReplayError::NoSuchOffset { .. }));
    assert!(matches!(replay(99, 0).await, ReplayError::NoSuchPartition { .. }));
}

/// Sends the scribe back, as soon as the one that was dropped is gone.
async fn sent_back(world: &World, bus: &Bus, from: ReplayFrom) -> u64 {
    let back = async || replay(&world.pool, bus, "test.scribe", Topic::Messaging, from).await.ok();
    eventually("the consumer is gone", SOON, back).await
}

async fn the_places(world: &World, bus: &Bus) -> Vec<Place> {
    places(&world.pool, bus, "test.scribe", &[Topic::Messaging]).await.expect("the bus answers")
}
