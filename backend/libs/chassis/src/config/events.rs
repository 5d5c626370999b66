//! Section `[<service>.events]`.

use std::collections::BTreeMap;
use std::time::Duration;

use events::{ConsumerOptions, KafkaConfig};
use serde::{Deserialize, Serialize};

use super::{Database, Fault, Secret, Validate, duration};

/// The name of the log's database where Nova finds or makes it by itself.
pub const EVENTS_DATABASE: &str = "nova_events";

/// Connections to the log: one publishes, one reads at a time for each consumer and tap.
const CONNECTIONS: usize = 4;

/// `[<service>.events]`: the bus that tells the services of each other's changes. Without one everything works, events wait where
/// they were written, and what the services learn from each other they learn by calls alone.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Kafka, if there is one; otherwise the bus is a log in PostgreSQL.
    pub kafka: Kafka,
    /// The log's database, which all services share. An empty address means that of Nova's own PostgreSQL, or `nova_events` on the
    /// server that `DATABASE_URL` names. With Kafka nothing is opened.
    pub database: Database,
    /// How long the log keeps events: a consumer that is away for longer misses some.
    #[serde(with = "duration")]
    pub retention: Duration,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            kafka: Kafka::default(),
            database: Database { max_connections: CONNECTIONS, ..Database::default() },
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Events {
    /// The databases that it needs, by their names: none with Kafka.
    pub fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)> {
        if self.kafka.brokers.is_empty() { vec![(EVENTS_DATABASE, &mut self.database)] } else { vec![] }
    }

    /// How consumers go about it: they remember for longer than the bus keeps.
    pub fn consumer_options(&self) -> ConsumerOptions {
        ConsumerOptions { remember: self.retention * 2, ..ConsumerOptions::default() }
    }

    /// Checks its rules; `own` is the service's database.
    pub fn validate(&self, section: &str, own: &Database, faults: &mut Vec<Fault>) {
        self.database.validate(&format!("{section}.database"), faults);
        self.kafka.validate(&format!("{section}.kafka"), faults);
        let mut fault = |key: &str, problem: &str| faults.push(Fault::new(format!("{section}.{key}"), problem));
        if self.database.url.is_empty() && !own.url.is_empty() && self.kafka.brokers.is_empty() {
            let problem =
                "must be set where the service's database.url is, or kafka.brokers: the services share one bus";
            fault("database.url", problem);
        } else if !self.database.url.is_empty() && self.database.url == own.url {
            fault("database.url", "must be another database than the service's own");
        }
        if !(Duration::from_secs(3600)..=Duration::from_secs(90 * 24 * 3600)).contains(&self.retention) {
            fault("retention", "must be 1h to 90days");
        }
    }
}

/// `[<service>.events.kafka]`: the same for all services.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Some of the brokers: `host:port`, separated by commas. Empty: none.
    pub brokers: String,
    /// Whether topics that are missing are made; otherwise somebody else makes them.
    pub make_topics: bool,
    /// Partitions of a topic that is made: as many replicas can share the work of a consumer.
    pub partitions: i32,
    /// Copies of a topic that is made; -1: as many as the brokers do by themselves.
    pub replication: i32,
    /// More settings of librdkafka by their names there, such as `sasl.mechanism`; their values are not shown.
    pub properties: BTreeMap<String, Secret>,
}

impl Default for Kafka {
    fn default() -> Self {
        let KafkaConfig { brokers, make_topics, partitions, replication, .. } = KafkaConfig::new("");
        Self { brokers, make_topics, partitions, replication, properties: BTreeMap::new() }
    }
}

impl Kafka {
    /// As crate `events` wants it.
    pub fn config(&self) -> KafkaConfig {
        let Self { brokers, make_topics, partitions, replication, properties } = self;
        let properties = properties.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        KafkaConfig {
            brokers: brokers.clone(),
            make_topics: *make_topics,
            partitions: *partitions,
            replication: *replication,
            properties,
        }
    }
}

impl Validate for Kafka {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !(1..=1000).contains(&self.partitions) {
            faults.push(Fault::new(format!("{section}.partitions"), "must be 1 to 1000"));
        }
        if self.replication != -1 && !(1..=10).contains(&self.replication) {
            faults.push(Fault::new(format!("{section}.replication"), "must be 1 to 10, or -1"));
        }
        if !self.brokers.is_empty()
            && let Err(error) = events::Kafka::new(self.config())
        {
            faults.push(Fault::new(section, error.to_string()));
        }
        // librdkafka would say so at the first connection.
        let has_password =
            |mechanism: &Secret| mechanism.expose() == "PLAIN" || mechanism.expose().starts_with("SCRAM");
        if ["sasl.mechanism", "sasl.mechanisms"].iter().any(|name| self.properties.get(*name).is_some_and(has_password))
        {
            for name in ["sasl.username", "sasl.password"] {
                if self.properties.get(name).is_none_or(Secret::is_empty) {
                    let key = format!("{section}.properties.{name}");
                    faults.push(Fault::new(key, "must be set where sasl.mechanism is PLAIN or SCRAM"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(events: &Events, own: &str) -> Vec<String> {
        let own = Database { url: own.into(), ..Database::default() };
        let mut faults = vec![];
        events.validate("user.events", &own, &mut faults);
        faults.into_iter().map(|fault| fault.key).collect()
    }

    fn at(url: &str) -> Events {
        let database = Database { url: url.into(), ..Events::default().database };
        Events { database, ..Events::default() }
    }

    #[test]
    fn who_names_a_database_of_the_service_names_the_logs_too() {
        let (own, log) = ("postgres://nova@db/user", "postgres://nova@db/events");
        assert_eq!(faults(&at(""), ""), Vec::<String>::new());
        assert_eq!(faults(&at(log), own), Vec::<String>::new());
        assert_eq!(faults(&at(log), ""), Vec::<String>::new());
        assert_eq!(faults(&at(""), own), ["user.events.database.url"]);
        assert_eq!(faults(&at(own), own), ["user.events.database.url"]);
    }

    #[test]
    fn with_kafka_there_is_no_log() {
        let kafka = Kafka { brokers: "kafka-1:9092,kafka-2:9092".to_owned(), ..Kafka::default() };
        let mut events = Events { kafka, ..Events::default() };
        assert_eq!(faults(&events, "postgres://nova@db/user"), Vec::<String>::new());
        assert!(events.databases_mut().is_empty());
        events.kafka.properties.insert("no.such.setting".to_owned(), "x".into());
        assert_eq!(faults(&events, ""), ["user.events.kafka"]);
        events.kafka.properties = [("sasl.mechanism", "PLAIN"), ("sasl.username", "nova")]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into();
        assert_eq!(faults(&events, ""), ["user.events.kafka.properties.sasl.password"]);
        assert_eq!(Events::default().databases_mut().len(), 1);
    }

    #[test]
    fn what_was_acted_on_is_remembered_for_longer_than_events_are_kept() {
        assert!(Events::default().consumer_options().remember > Events::default().retention);
        let brief = Events { retention: Duration::from_secs(60), ..Events::default() };
        assert_eq!(faults(&brief, ""), ["user.events.retention"]);
    }
}
