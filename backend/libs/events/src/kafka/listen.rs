//! Consumers: one of a group, or a tap that hears everything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::{Consumer, DefaultConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::time::sleep;

use super::publish::off_thread;
use super::{Error, Kafka, PATIENCE, cloud_event};
use crate::backoff::Backoff;
use crate::{Event, Topic};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long it may take to find out that brokers are there after all.
const FOUND_WITHIN: Duration = Duration::from_secs(3);

pub(super) type Client = StreamConsumer<DefaultConsumerContext>;

/// A client that is closed, which takes a while, where nobody waits for it.
pub(super) struct Closing(Option<Arc<Client>>);

impl Closing {
    pub(super) fn new(client: Client) -> Self {
        Self(Some(Arc::new(client)))
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        self.0.as_ref().expect("the client is there until drop")
    }

    /// Asks something that blocks.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, Error> {
        let client = Arc::clone(self.client());
        match tokio::task::spawn_blocking(move || ask(&client)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Error::Stopping),
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        off_thread(self.0.take());
    }
}

/// A place in a partition, and the event there, if it is one of ours.
pub(crate) struct Received {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
    pub event: Option<Event>,
}

/// A member of a group.
pub(crate) struct Group {
    client: Closing,
    /// A broker could not be reached since somebody was there last.
    is_in_doubt: AtomicBool,
}

impl Kafka {
    /// Joins a group.
    pub(crate) async fn join(&self, group: &str, topics: &[Topic]) -> Result<Group, Error> {
        self.make_topics().await?;
        let client: Client = self.group(group).create()?;
        let names: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
        client.subscribe(&names)?;
        Ok(Group { client: Closing::new(client), is_in_doubt: AtomicBool::new(false) })
    }

    pub(super) fn group(&self, group: &str) -> rdkafka::ClientConfig {
        let usual = [("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "1000"), ("fetch.wait.max.ms", "100")];
        let must = [
            ("group.id", group),
            ("auto.offset.reset", "earliest"),
            // What is committed is what was stored, and that is done after the effect.
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", "true"),
            ("auto.commit.interval.ms", "1000"),
        ];
        self.client(&usual, &must)
    }

    /// Something is wrong with what a group hears: the next to join looks for the topics again.
    pub(crate) fn left_in_doubt(&self) {
        self.doubt_topics();
    }

    pub(crate) async fn tap(&self, topics: &[Topic]) -> Result<KafkaTap, Error> {
        self.make_topics().await?;
        let client = Closing::new(self.reader().create()?);
        let topics = topics.to_vec();
        client
            .ask(move |client| {
                let mut ends = TopicPartitionList::new();
                for topic in topics {
                    for partition in partitions(client, topic)? {
                        let (_, end) = client.fetch_watermarks(topic.name(), partition, PATIENCE)?;
                        ends.add_partition_offset(topic.name(), partition, Offset::Offset(end))?;
                    }
                }
                client.assign(&ends)
            })
            .await?;
        Ok(KafkaTap { client, backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE) })
    }
}

pub(super) fn partitions(client: &Client, topic: Topic) -> Result<Vec<i32>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic.name()), PATIENCE)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic.name()) else { return Ok(vec![]) };
    match found.error() {
        Some(error) => Err(KafkaError::MetadataFetch(error.into())),
        None => Ok(found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect()),
    }
}

impl Group {
    /// Waits for a message. It may be dropped while it waits.
    pub async fn receive(&self) -> Result<Received, Error> {
        loop {
            let message = match self.client.client().recv().await {
                Ok(message) => message,
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::OperationTimedOut,
                )) => {
                    self.is_in_doubt.store(true, Ordering::Relaxed);
                    continue; // it connects again by itself
                }
                Err(error) => return Err(error.into()),
            };
            let Some(topic) = Topic::of_name(message.topic()) else { continue };
            let event = cloud_event::event(&message);
            if event.is_none() {
                tracing::warn!("a message at {topic}/{}/{} is no event", message.partition(), message.offset());
            }
            return Ok(Received { topic, partition: message.partition(), offset: message.offset(), event });
        }
    }

    /// Whether the brokers are there, which is asked only if there is a reason to doubt it: librdkafka tells once that they are
    /// away, and then nothing more, as if nothing happened.
    pub async fn look_for_brokers(&self) -> Result<(), Error> {
        if self.is_in_doubt.load(Ordering::Relaxed) {
            self.client.ask(|client| client.fetch_metadata(None, FOUND_WITHIN)).await?;
            self.is_in_doubt.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The partitions that this member has now.
    pub async fn assigned(&self) -> Result<BTreeSet<(Topic, i32)>, Error> {
        let assigned = self.client.ask(rdkafka::consumer::Consumer::assignment).await?;
        let partition = |at: &TopicPartitionListElem<'_>| Some((Topic::of_name(at.topic())?, at.partition()));
        Ok(assigned.elements().iter().filter_map(partition).collect())
    }

    /// Notes that everything up to `offset` is done; it is committed within a second. A partition that was taken away meanwhile
    /// is another's, who does again what was not committed.
    pub fn done(&self, topic: Topic, partition: i32, offset: i64) {
        if let Err(error) = self.client.client().store_offset(topic.name(), partition, offset) {
            tracing::debug!("{topic}/{partition} is another's by now: {error}");
        }
    }

    /// Goes back to `offset`, and hears nothing of the partition until [`Self::resume`].
    pub async fn hold(&self, topic: Topic, partition: i32, offset: i64) -> Result<(), Error> {
        self.client
            .ask(move |client| {
                let mut held = TopicPartitionList::new();
                held.add_partition(topic.name(), partition);
                client.pause(&held)?;
                client.seek(topic.name(), partition, Offset::Offset(offset), PATIENCE)
            })
            .await
    }

    /// Hears of the partition again.
    pub fn resume(&self, topic: Topic, partition: i32) -> Result<(), Error> {
        let mut held = TopicPartitionList::new();
        held.add_partition(topic.name(), partition);
        Ok(self.client.client().resume(&held)?)
    }
}

/// See [`Bus::tap`](crate::Bus::tap).
pub struct KafkaTap {
    client: Closing,
    backoff: Backoff,
}

impl KafkaTap {
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let heard = self.client.client().recv().await.map(|message| cloud_event::event(&message));
            match heard {
                Ok(Some(event)) => {
                    self.backoff.reset();
                    return event;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!("the brokers can't be heard: {error}");
                    sleep(self.backoff.pause()).await;
                }
            }
        }
    }
}
