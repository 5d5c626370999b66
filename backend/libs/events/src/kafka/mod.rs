//! The bus where there is Kafka: one topic a service, keyed by aggregate, so that the events of an aggregate lie in one
//! partition in their order.

mod cloud_event;
mod listen;
mod publish;
mod replay;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::FutureProducer;
use tokio::sync::Mutex;

use crate::Topic;

pub use listen::KafkaTap;
pub(crate) use listen::{Group, Received};

/// How long the brokers may take for what is asked of them one at a time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where Kafka is, and how topics are made that are missing.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// Some of the brokers: `host:port`, separated by commas.
    pub brokers: String,
    /// Whether topics that are missing are made; otherwise somebody else makes them.
    pub make_topics: bool,
    /// Partitions of a topic that is made: as many processes can share the work of a consumer. Topics that are there stay as
    /// they are; to give one more partitions moves aggregates, so their order is lost at that moment.
    pub partitions: i32,
    /// Copies of a topic that is made; the brokers' own default if it is -1.
    pub replication: i32,
    /// More settings of librdkafka, such as `sasl.mechanism`, by their names there. They can't change what order and durability
    /// rest on.
    pub properties: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// Kafka at these brokers, with 12 partitions for each topic.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            make_topics: true,
            partitions: 12,
            replication: -1,
            properties: BTreeMap::new(),
        }
    }
}

/// The connection. Cheap to clone.
#[derive(Clone)]
pub struct Kafka(Arc<Inner>);

struct Inner {
    config: KafkaConfig,
    /// One publication at a time. A producer that has failed is given up: a successor begins where it was.
    producer: Mutex<Option<FutureProducer>>,
    topics_are_there: AtomicBool,
}

/// Whether librdkafka takes this property only together with OpenSSL. What it says itself is that there is no such property.
fn needs_tls(name: &str, value: &str) -> bool {
    name.starts_with("ssl.")
        || name == "security.protocol" && value.to_ascii_lowercase().ends_with("ssl")
        || matches!(name, "sasl.mechanism" | "sasl.mechanisms") && value.to_ascii_uppercase().starts_with("SCRAM")
}

/// Kafka can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client or a broker says no.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A topic can't be made.
    #[error("topic {topic} can't be made: {code}")]
    Topic {
        /// Which.
        topic: String,
        /// What the brokers say.
        code: RDKafkaErrorCode,
    },
    /// An event was not taken: the producer was given up meanwhile.
    #[error("the producer was given up before the brokers answered")]
    GivenUp,
    /// TLS is asked for, and this build has none.
    #[error("{0} needs TLS, which this build can't speak to Kafka: build it with --features kafka-tls")]
    NoTls(String),
    /// A group is to be sent back, and has members.
    #[error("a consumer can be sent back over Kafka only while it runs nowhere")]
    InUse,
    /// A helper's task is gone: the runtime is shutting down.
    #[error("the runtime is shutting down")]
    Stopping,
}

impl Kafka {
    /// A bus over these brokers; it connects when it is used.
    ///
    /// # Errors
    /// If librdkafka does not accept the configuration.
    pub fn new(config: KafkaConfig) -> Result<Self, Error> {
        if !cfg!(feature = "kafka-tls")
            && let Some((name, _)) = config.properties.iter().find(|(name, value)| needs_tls(name, value))
        {
            return Err(Error::NoTls(name.clone()));
        }
        let kafka =
            Self(Arc::new(Inner { config, producer: Mutex::new(None), topics_are_there: AtomicBool::new(false) }));
        kafka.client(&[], &[]).create_native_config()?;
        Ok(kafka)
    }

    /// A client of these brokers: `usual` settings, over them the installation's, and over these what `must` be.
    fn client(&self, usual: &[(&str, &str)], must: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("client.id", "nova").set("reconnect.backoff.max.ms", "2000");
        for (name, value) in usual {
            client.set(*name, *value);
        }
        for (name, value) in &self.0.config.properties {
            client.set(name, value);
        }
        for (name, value) in must {
            client.set(*name, *value);
        }
        client.set("bootstrap.servers", &self.0.config.brokers);
        client
    }

    /// Makes topics that are missing.
    async fn make_topics(&self) -> Result<(), Error> {
        if !self.0.config.make_topics || self.0.topics_are_there.load(Ordering::Acquire) {
            return Ok(());
        }
        let admin: AdminClient<DefaultClientContext> = self.client(&[], &[]).create()?;
        let KafkaConfig { partitions, replication, .. } = self.0.config;
        let topics =
            Topic::ALL.map(|topic| NewTopic::new(topic.name(), partitions, TopicReplication::Fixed(replication)));
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        for made in admin.create_topics(&topics, &options).await? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(Error::Topic { topic, code }),
            }
        }
        self.0.topics_are_there.store(true, Ordering::Release);
        Ok(())
    }

    /// They may be gone: looks again before the next use.
    fn doubt_topics(&self) {
        self.0.topics_are_there.store(false, Ordering::Release);
    }
}
