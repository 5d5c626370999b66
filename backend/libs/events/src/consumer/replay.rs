//! Has a consumer act again on what the bus still holds.

use chrono::{DateTime, TimeDelta, Utc};
use errors::{Class, Classify};
use pg::Pool;

use super::{inbox, turn};
use crate::{Bus, Topic, locks};

/// How far the clocks of two machines may be apart.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::minutes(1);

/// Why nothing, or not everything, is acted on again. It may be asked for again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The consumer's database, or the log's.
    #[error(transparent)]
    Pg(#[from] pg::Error),
    /// The brokers; or the consumer still runs somewhere, which Kafka does not allow.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::kafka::Error),
}

impl Classify for ReplayError {
    fn class(&self) -> Class {
        match self {
            Self::Pg(error) => error.class(),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => Class::unavailable(),
        }
    }
}

/// Sends a consumer back: it acts again on all events of these topics that were published at `since` or later, in their order.
/// `pool` is the consumer's database. Dead letters stay where they are. Over Kafka the consumer has to be stopped everywhere.
///
/// # Errors
/// If a database or the bus fails.
pub async fn replay(
    pool: &Pool,
    bus: &Bus,
    consumer: &str,
    topics: &[Topic],
    since: DateTime<Utc>,
) -> Result<(), ReplayError> {
    for &topic in topics {
        let mut tx = pool.begin().await?;
        locks::exclusive(&mut tx, turn(consumer, topic)).await?;
        match bus {
            Bus::Log(log) => {
                let before = log.before(topic, since).await?;
                inbox::set_offset(&mut tx, consumer, topic, before).await?;
            }
            #[cfg(feature = "kafka")]
            Bus::Kafka(kafka) => kafka.send_back(consumer, topic, since).await?,
        }
        // Nothing is received before it is published.
        inbox::forget_since(&mut tx, consumer, since - CLOCKS_DIFFER_BY).await?;
        tx.commit().await?;
    }
    Ok(())
}
