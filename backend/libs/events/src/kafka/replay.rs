//! Where a group is, and how it is sent back, or ahead.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ids::EventId;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::time::timeout;

use super::listen::{Client, Closing, partitions};
use super::{Error, Kafka, PATIENCE, cloud_event};
use crate::Topic;
use crate::consumer::replay::{Place, READ_AT_ONCE, ReplayError, ReplayFrom};

/// What a group is to do again of a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Back {
    partition: i32,
    /// The first offset.
    to: i64,
    /// The offset after the last.
    end: i64,
    /// Whether the group has to be told; one that has never been there begins before this.
    is_told: bool,
}

/// Reads again what a group is to do again.
pub(crate) struct Reader {
    client: Closing,
    /// The partitions that were not read to their end yet, and where that is.
    ends: HashMap<i32, i64>,
}

impl Kafka {
    /// Where a group is in each partition of a topic.
    pub(crate) async fn places(&self, group: &str, topic: Topic) -> Result<Vec<Place>, Error> {
        self.make_topics().await?;
        let client = Closing::new(self.group(group).create()?);
        client.ask(move |client| places(client, topic)).await
    }

    /// How far a group has to go back for this: never forward.
    pub(crate) async fn places_back(
        &self,
        group: &str,
        topic: Topic,
        from: ReplayFrom,
    ) -> Result<Vec<Back>, ReplayError> {
        let mut places = self.places(group, topic).await?;
        let wanted = match from {
            ReplayFrom::Time(since) => {
                let all: Vec<i32> = places.iter().map(|place| place.partition).collect();
                self.first_since(topic, all, since.timestamp_millis()).await?
            }
            ReplayFrom::Offset { partition, .. } => {
                places.retain(|place| place.partition == partition);
                let place = places.first().ok_or(ReplayError::NoSuchPartition { topic, partition })?;
                from.offset_in(place)?.map(|offset| (partition, offset)).into_iter().collect()
            }
        };
        let back = |place: &Place| {
            let to = *wanted.get(&place.partition)?;
            let to = to.min(place.next.unwrap_or(to)).max(place.first);
            Some(Back { partition: place.partition, to, end: place.end, is_told: place.next.is_some() })
        };
        Ok(places.iter().filter_map(back).collect())
    }

    /// In each partition that has one, the offset of the first event that was published at a time or later.
    async fn first_since(&self, topic: Topic, all: Vec<i32>, millis: i64) -> Result<HashMap<i32, i64>, Error> {
        let client = Closing::new(self.reader().create()?);
        client
            .ask(move |client| {
                let mut times = TopicPartitionList::new();
                for partition in all {
                    times.add_partition_offset(topic.name(), partition, Offset::Offset(millis))?;
                }
                let found = client.offsets_for_times(times, PATIENCE)?;
                let found = found.elements().into_iter().filter_map(|place| match place.offset() {
                    Offset::Offset(offset) => Some((place.partition(), offset)),
                    _ => None, // nothing that new
                });
                Ok(found.collect())
            })
            .await
    }

    /// Reads what is to be done again.
    pub(crate) async fn read(&self, topic: Topic, back: &[Back]) -> Result<Reader, Error> {
        let client = Closing::new(self.reader().create()?);
        let some: Vec<Back> = back.iter().filter(|back| back.to < back.end).copied().collect();
        let ends = some.iter().map(|back| (back.partition, back.end)).collect();
        client
            .ask(move |client| {
                let mut from = TopicPartitionList::new();
                for back in some {
                    from.add_partition_offset(topic.name(), back.partition, Offset::Offset(back.to))?;
                }
                client.assign(&from)
            })
            .await?;
        Ok(Reader { client, ends })
    }

    /// Has a group without members go on from there.
    pub(crate) async fn send_back(&self, group: &str, topic: Topic, back: &[Back]) -> Result<(), Error> {
        let to = back.iter().filter(|back| back.is_told).map(|back| (back.partition, back.to)).collect();
        self.send_to(group, topic, to).await
    }

    /// Has a group without members pass over what was published before a time.
    pub(crate) async fn skip(&self, group: &str, topic: Topic, until: DateTime<Utc>) -> Result<(), Error> {
        // The ends first: what is published between the two looks must not lie before them.
        let places = self.places(group, topic).await?;
        let all = places.iter().map(|place| place.partition).collect();
        let first = self.first_since(topic, all, until.timestamp_millis()).await?;
        let ahead = |place: &Place| {
            let to = first.get(&place.partition).copied().unwrap_or(place.end);
            (place.next.is_none_or(|next| next < to)).then_some((place.partition, to))
        };
        self.send_to(group, topic, places.iter().filter_map(ahead).collect()).await
    }

    async fn send_to(&self, group: &str, topic: Topic, places: Vec<(i32, i64)>) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        let mut to = TopicPartitionList::new();
        for (partition, offset) in places {
            to.add_partition_offset(topic.name(), partition, Offset::Offset(offset))?;
        }
        let client = Closing::new(self.group(group).create()?);
        match client.ask(move |client| client.commit(&to, CommitMode::Sync)).await {
            Err(Error::Kafka(KafkaError::ConsumerCommit(
                RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress,
            ))) => Err(Error::InUse),
            done => done,
        }
    }

    /// A consumer without a group, which chooses its partitions.
    pub(super) fn reader(&self) -> rdkafka::ClientConfig {
        // librdkafka wants a name all the same.
        let must = [("group.id", "nova.tap"), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")];
        self.client(&[("fetch.wait.max.ms", "100")], &must)
    }
}

fn places(client: &Client, topic: Topic) -> Result<Vec<Place>, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions(client, topic)? {
        asked.add_partition(topic.name(), partition);
    }
    let mut places = vec![];
    for known in client.committed_offsets(asked, PATIENCE)?.elements() {
        let partition = known.partition();
        let (first, end) = client.fetch_watermarks(topic.name(), partition, PATIENCE)?;
        let next = match known.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let behind = (end - next.unwrap_or(first).max(first)).max(0);
        places.push(Place { topic, partition, first, next, end, behind });
    }
    Ok(places)
}

impl Reader {
    /// Ids of the next events; none at the end.
    pub(crate) async fn next_ids(&mut self) -> Result<Vec<EventId>, Error> {
        let mut ids = vec![];
        while !self.ends.is_empty() && ids.len() < READ_AT_ONCE {
            let heard = timeout(PATIENCE + Duration::from_secs(5), self.client.client().recv()).await;
            let Ok(heard) = heard else {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into());
            };
            let message = heard?;
            let (partition, next) = (message.partition(), message.offset() + 1);
            let Some(&end) = self.ends.get(&partition) else { continue };
            if next >= end {
                self.ends.remove(&partition);
            }
            if next <= end
                && let Some(event) = cloud_event::event(&message)
            {
                ids.push(event.id);
            }
        }
        Ok(ids)
    }
}
