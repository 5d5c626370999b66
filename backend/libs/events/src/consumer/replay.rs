//! Has a consumer act again on what the bus still holds.

use chrono::{DateTime, Utc};
use ids::EventId;
use pg::Pool;

use super::{inbox, turn};
use crate::log::Log;
use crate::{Bus, Topic, locks};

/// Ids that are read and forgotten at once.
pub(crate) const READ_AT_ONCE: usize = 5_000;

/// Where in a topic a consumer is sent back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFrom {
    /// The first event that was published at this time or later, in every partition.
    Time(DateTime<Utc>),
    /// The event with this offset in this partition; the log has the partition 0 alone.
    Offset {
        /// Which part of the topic.
        partition: i32,
        /// Its number there.
        offset: i64,
    },
}

/// Where a consumer is in a part of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The topic.
    pub topic: Topic,
    /// The part of it; the log has the partition 0 alone.
    pub partition: i32,
    /// The offset of the oldest event that the bus may still have.
    pub first: i64,
    /// The offset of the event that the consumer acts on next; none if it has never been there.
    pub next: Option<i64>,
    /// The offset after the newest event.
    pub end: i64,
    /// Events that are not done yet. The log's offsets are those of all topics, so it is less than what lies between them.
    pub behind: i64,
}

/// Why nothing, or not everything, is acted on again. It may be asked for again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The consumer's database, or the log's.
    #[error(transparent)]
    Pg(#[from] pg::Error),
    /// The brokers do not answer, or say no.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::kafka::Error),
    /// The bus has no such event: never had, or no more.
    #[error("{topic} has no offset {offset} in partition {partition}: it has {first} to {last}")]
    NoSuchOffset {
        /// The topic.
        topic: Topic,
        /// The partition that was asked for.
        partition: i32,
        /// The offset that was asked for.
        offset: i64,
        /// The oldest that there is.
        first: i64,
        /// The newest that there is, less than `first` if there are none.
        last: i64,
    },
    /// There is no such partition.
    #[error("{topic} has no partition {partition}")]
    NoSuchPartition {
        /// The topic.
        topic: Topic,
        /// The partition that was asked for.
        partition: i32,
    },
}

impl ReplayFrom {
    /// The offset to go back to in a part that was asked for, if that is where it is told by.
    pub(crate) fn offset_in(self, place: &Place) -> Result<Option<i64>, ReplayError> {
        match self {
            Self::Offset { partition, offset } if partition == place.partition => {
                let &Place { topic, first, end, .. } = place;
                // The end is a place as well: nothing has come since then.
                if (first..=end).contains(&offset) {
                    Ok(Some(offset))
                } else {
                    Err(ReplayError::NoSuchOffset { topic, partition, offset, first, last: end - 1 })
                }
            }
            Self::Offset { .. } | Self::Time(_) => Ok(None),
        }
    }
}

/// Where a consumer is in these topics. `pool` is the consumer's database.
///
/// # Errors
/// If a database or the bus fails.
pub async fn places(pool: &Pool, bus: &Bus, consumer: &str, topics: &[Topic]) -> Result<Vec<Place>, ReplayError> {
    let mut places = vec![];
    for &topic in topics {
        match bus {
            Bus::Log(log) => {
                let done = inbox::offset(&mut *pool.conn().await?, consumer, topic).await?;
                let (first, end) = log.extent(topic).await?;
                let (next, behind) = ((done > 0).then_some(done + 1), log.count_after(topic, done).await?);
                places.push(Place { topic, partition: 0, first, next, end, behind });
            }
            #[cfg(feature = "kafka")]
            Bus::Kafka(kafka) => places.extend(kafka.places(consumer, topic).await?),
        }
    }
    Ok(places)
}

/// Sends a consumer back: it acts again on all events of a topic from a place on, in their order. Never forward: who has not
/// come as far as that goes on where it is. `pool` is the consumer's database. Dead letters stay where they are. Over Kafka the
/// consumer has to be stopped everywhere. The answer is the number of events that are to be acted on again, or for the first time.
///
/// # Errors
/// If a database or the bus fails, or there is no such place. Over the log nothing has changed then; over Kafka the consumer may
/// pass over some of the events unless it is asked for again.
pub async fn replay(
    pool: &Pool,
    bus: &Bus,
    consumer: &str,
    topic: Topic,
    from: ReplayFrom,
) -> Result<u64, ReplayError> {
    match bus {
        Bus::Log(log) => over_log(pool, log, consumer, topic, from).await,
        #[cfg(feature = "kafka")]
        Bus::Kafka(kafka) => over_kafka(pool, kafka, consumer, topic, from).await,
    }
}

async fn over_log(pool: &Pool, log: &Log, consumer: &str, topic: Topic, from: ReplayFrom) -> Result<u64, ReplayError> {
    let mut tx = pool.begin().await?;
    // Whoever acts on the topic is waited for, and waits.
    locks::exclusive(&mut tx, turn(consumer, topic)).await?;
    let (first, end) = log.extent(topic).await?;
    let place = Place { topic, partition: 0, first, next: None, end, behind: 0 };
    let to = match from {
        ReplayFrom::Time(since) => log.first_since(topic, since).await?,
        ReplayFrom::Offset { partition: 0, .. } => from.offset_in(&place)?,
        ReplayFrom::Offset { partition, .. } => return Err(ReplayError::NoSuchPartition { topic, partition }),
    };
    let done = inbox::offset(&mut tx, consumer, topic).await?;
    let Some(to) = to else { return Ok(0) };
    let back_to = done.min(to - 1);
    let (mut after, mut count) = (back_to, 0);
    loop {
        let ids = log.ids_after(topic, after, READ_AT_ONCE).await?;
        let Some(&(last, _)) = ids.last() else { break };
        let ids: Vec<EventId> = ids.into_iter().map(|(_, id)| id).collect();
        inbox::forget(&mut tx, consumer, &ids).await?;
        (after, count) = (last, count + ids.len() as u64);
    }
    inbox::set_offset(&mut tx, consumer, topic, back_to).await?;
    tx.commit().await?;
    Ok(count)
}

#[cfg(feature = "kafka")]
async fn over_kafka(
    pool: &Pool,
    kafka: &crate::kafka::Kafka,
    consumer: &str,
    topic: Topic,
    from: ReplayFrom,
) -> Result<u64, ReplayError> {
    let back = kafka.places_back(consumer, topic, from).await?;
    // First, since it fails where the group has members: nothing has been forgotten then that one of them may get once more.
    kafka.send_back(consumer, topic, &back).await?;
    let mut reader = kafka.read(topic, &back).await?;
    let mut count = 0;
    loop {
        let ids = reader.next_ids().await?;
        if ids.is_empty() {
            return Ok(count);
        }
        // No transaction is open while the brokers are waited for.
        inbox::forget(&mut *pool.conn().await?, consumer, &ids).await?;
        count += ids.len() as u64;
    }
}

/// Has a consumer pass over what was published before a time, where it has not come as far as that. Over Kafka it has to be stopped
/// everywhere.
///
/// # Errors
/// If a database or the bus fails; some of the topics may be done then.
pub async fn skip(
    pool: &Pool,
    bus: &Bus,
    consumer: &str,
    topics: &[Topic],
    until: DateTime<Utc>,
) -> Result<(), ReplayError> {
    for &topic in topics {
        match bus {
            Bus::Log(log) => {
                let mut tx = pool.begin().await?;
                locks::exclusive(&mut tx, turn(consumer, topic)).await?;
                // The end first: what is published between the two looks must not lie before it.
                let (_, end) = log.extent(topic).await?;
                let next = log.first_since(topic, until).await?.unwrap_or(end);
                let done = inbox::offset(&mut tx, consumer, topic).await?;
                inbox::set_offset(&mut tx, consumer, topic, done.max(next - 1)).await?;
                tx.commit().await?;
            }
            #[cfg(feature = "kafka")]
            Bus::Kafka(kafka) => kafka.skip(consumer, topic, until).await?,
        }
    }
    Ok(())
}
