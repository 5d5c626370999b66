//! Kafka, as a broker process: the suite, and what is its own.

use std::collections::HashSet;

use events::{Bus, Event, Topic};
use testkit::eventually;
use tokio::time::timeout;
use uuid::Uuid;

use crate::world::{Faults, Medium, SOON, Task, World, event, noise};

crate::suite::suite!(World::over_kafka);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_loses_nothing_that_the_outbox_holds() {
    let mut world = World::over_kafka().await;
    let aggregates: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
    let (bus, _worker) = world.bus().await;
    let mut relay = world.relay(&bus);
    for _ in 0..10 {
        for &aggregate in &aggregates {
            world.commit_change(aggregate).await;
        }
    }
    for _ in 0..2 {
        relay.step().await.expect("published"); // some of them the broker has, and will forget
    }
    let Medium::Kafka { broker } = &mut world.medium else { panic!("a broker") };
    broker.kill().await;
    assert!(relay.step().await.is_err(), "nobody is there");
    let waiting: HashSet<Uuid> = {
        let mut conn = world.pool.conn().await.expect("a connection");
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM outbox").fetch_all(&mut *conn).await.expect("read");
        ids.into_iter().collect()
    };
    assert_eq!(waiting.len(), 40 - 14, "what the broker had acknowledged, and nothing else, is gone");
    let Medium::Kafka { broker } = &mut world.medium else { panic!("a broker") };
    broker.restart().await;
    let _relay = Task::spawn(relay.run());
    let _consumer = world.start_consumer(&Faults::default()).await;
    world.eventually_effects(waiting.len()).await;
    for aggregate in aggregates {
        let numbers = world.numbers(aggregate).await;
        assert!(numbers.is_sorted() && numbers.last() == Some(&10), "{numbers:?}");
    }
    eventually("the outbox is empty", SOON, async || (world.waiting().await == 0).then_some(())).await;
}

/// Everything that a tap hears after it was opened.
async fn heard(bus: &Bus, events: &[Event]) -> Vec<Event> {
    let mut tap = bus.tap(&[Topic::Messaging, Topic::User]).await.expect("open");
    bus.publish(&events.iter().collect::<Vec<_>>()).await.expect("published");
    let mut heard = vec![];
    while heard.len() < events.len() {
        heard.push(timeout(SOON, tap.next()).await.expect("it comes"));
    }
    heard.sort_by_key(|event| event.id); // there is no order between topics
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_over_one_bus_is_the_same_over_the_other() {
    let (over_kafka, over_log) = (World::over_kafka().await, World::over_log().await);
    let ((kafka, _), (log, _)) = (over_kafka.bus().await, over_log.bus().await);
    let now = over_log.clock.now();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let mut events = vec![event(now, Uuid::from_u128(1), 1).about("ä subject").traced(Some(trace)), noise(now)];
    events.sort_by_key(|event| event.id);
    assert_eq!(heard(&kafka, &events).await, events);
    assert_eq!(heard(&log, &events).await, events);
}

#[cfg(not(feature = "kafka-tls"))]
#[test]
fn a_build_without_tls_says_so() {
    for (name, value) in
        [("security.protocol", "SASL_SSL"), ("ssl.ca.location", "/ca"), ("sasl.mechanism", "SCRAM-SHA-512")]
    {
        let mut config = events::KafkaConfig::new("127.0.0.1:9092");
        config.properties.insert(name.to_owned(), value.to_owned());
        let fault = events::Kafka::new(config).err().expect("refused").to_string();
        assert!(fault.contains(name) && fault.contains("kafka-tls"), "{fault}");
    }
}
