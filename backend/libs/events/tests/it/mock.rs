//! Kafka with errors that a real broker seldom has: librdkafka's mock cluster.

use std::collections::HashSet;

use events::{Bus, Event, Kafka, KafkaConfig, Topic};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use testkit::eventually;
use tokio::time::timeout;
use uuid::Uuid;

use crate::world::{SOON, World, event};

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Three brokers, and the bus over them.
fn cluster() -> (Cluster, Bus) {
    let cluster = MockCluster::new(3).expect("a mock cluster");
    for topic in Topic::ALL {
        cluster.create_topic(topic.name(), 2, 3).expect("a topic");
    }
    // The mock can't make topics.
    let config = KafkaConfig { make_topics: false, ..KafkaConfig::new(cluster.bootstrap_servers()) };
    (cluster, Bus::Kafka(Kafka::new(config).expect("librdkafka takes it")))
}

fn numbered(world: &World, count: i64) -> Vec<Event> {
    (1..=count).map(|number| event(world.clock.now(), Uuid::from_u128(1), number)).collect()
}

/// Publishes as a relay does: what was not accepted, again, until all is. Tells how often it failed.
async fn publish(bus: &Bus, events: &[Event]) -> u32 {
    let (mut from, mut failures) = (0, 0);
    while from < events.len() {
        let rest: Vec<&Event> = events[from..].iter().collect();
        match timeout(SOON, bus.publish(&rest)).await.expect("an answer") {
            Ok(()) => break,
            Err(error) => {
                from += error.accepted;
                failures += 1;
            }
        }
        assert!(failures < 100, "it works some time");
    }
    failures
}

/// The events in the order in which they came for the first time.
async fn first_heard(tap: &mut events::Tap, count: usize) -> Vec<Event> {
    let (mut seen, mut heard) = (HashSet::new(), vec![]);
    while heard.len() < count {
        let event = timeout(SOON, tap.next()).await.expect("it comes");
        if seen.insert(event.id) {
            heard.push(event);
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_at_the_brokers_is_repeated_by_the_producer_without_a_trace() {
    let world = World::over_log().await;
    let (cluster, bus) = cluster();
    let events = numbered(&world, 30);
    let mut tap = bus.tap(&[Topic::Messaging]).await.expect("open");
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    );
    assert_eq!(publish(&bus, &events).await, 0, "nobody has to know");
    for expected in &events {
        assert_eq!(&timeout(SOON, tap.next()).await.expect("it comes"), expected, "each once, in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_pass_fails_the_batch_and_a_repeat_keeps_the_order() {
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    ] {
        let world = World::over_log().await;
        let (cluster, bus) = cluster();
        let events = numbered(&world, 30);
        let mut tap = bus.tap(&[Topic::Messaging]).await.expect("open");
        assert_eq!(publish(&bus, &events[..5]).await, 0);
        cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
        assert!(publish(&bus, &events[5..]).await >= 1, "{error:?} is told");
        assert_eq!(first_heard(&mut tap, events.len()).await, events, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_all_brokers_are_down_rows_wait_and_then_arrive() {
    let world = World::over_log().await;
    let (cluster, bus) = cluster();
    let mut tap = bus.tap(&[Topic::Messaging]).await.expect("open");
    let _relay = crate::world::Task::spawn(world.relay(&bus).run());
    let mut sent = vec![world.commit_change(Uuid::from_u128(1)).await];
    eventually("the first is out", SOON, async || (world.waiting().await == 0).then_some(())).await;
    (1..=3).for_each(|broker| cluster.broker_down(broker).expect("down"));
    for _ in 0..20 {
        sent.push(world.commit_change(Uuid::from_u128(1)).await);
    }
    assert_eq!(world.waiting().await, 20);
    (1..=3).for_each(|broker| cluster.broker_up(broker).expect("up"));
    assert_eq!(first_heard(&mut tap, sent.len()).await, sent);
    eventually("the outbox is empty", SOON, async || (world.waiting().await == 0).then_some(())).await;
}
