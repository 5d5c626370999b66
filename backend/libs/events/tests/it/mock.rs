//! Kafka with errors that a real broker seldom has: librdkafka's mock cluster.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

use events::{Bus, ConsumerOptions, Event, Kafka, KafkaConfig, Topic};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use testkit::eventually;
use tokio::time::timeout;
use uuid::Uuid;

use crate::world::{Faults, SOON, Task, World, event};

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

/// What a metric of a consumer, or of its topic, says in this process.
fn metric(name: &str) -> f64 {
    let text = metrics_of_process().render();
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// Notes what is measured from now on.
fn metrics_of_process() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().expect("the only one"))
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
    let _relay = Task::spawn(world.relay(&bus).run());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_counts_that_it_can_not_follow_and_goes_on_by_itself() {
    metrics_of_process();
    let world = World::over_log().await;
    let (cluster, bus) = cluster();
    let _consumer = Task::spawn(world.consumer(&Faults::default()).run(bus.clone()));
    publish(&bus, &numbered(&world, 1)).await;
    world.eventually_effects(1).await;
    assert!(metric("nova_consumer_away_total") < 1.0, "it follows");
    (1..=3).for_each(|broker| cluster.broker_down(broker).expect("down"));
    let counts = async |count: f64| (metric("nova_consumer_away_total") >= count).then_some(());
    eventually("it is counted again and again", SOON, || counts(2.0)).await;
    (1..=3).for_each(|broker| cluster.broker_up(broker).expect("up"));
    publish(&bus, &numbered(&world, 1)).await;
    world.eventually_effects(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_as_far_behind_as_the_partition_that_is_furthest() {
    metrics_of_process();
    let world = World::over_log().await;
    let (_cluster, bus) = cluster();
    let old = event(world.clock.now() - Duration::from_secs(3600), Uuid::from_u128(1), 1);
    let faults = Faults::default();
    faults.poison(&old);
    let hour = Duration::from_secs(3600);
    let options = ConsumerOptions {
        first_pause: hour,
        longest_pause: hour,
        look_every: Duration::from_millis(20),
        ..ConsumerOptions::default()
    };
    let _consumer = Task::spawn(world.consumer(&faults).with(options).run(bus.clone()));
    publish(&bus, &[old]).await;
    let lag = || metric("nova_consumer_lag_seconds");
    eventually("it is stuck", SOON, async || (lag() > 3000.0).then_some(())).await;
    // Of so many aggregates some are in the other partition, where all goes well.
    let fresh: Vec<Event> = (2..34).map(|id| event(world.clock.now(), Uuid::from_u128(id), 1)).collect();
    publish(&bus, &fresh).await;
    world.eventually_effects(1).await;
    assert!(lag() > 3000.0, "{}", lag());
}
