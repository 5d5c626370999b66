//! What carries events from a service to the others: Kafka, or a log in PostgreSQL. What goes over one means the same as what
//! goes over the other.

#[cfg(feature = "kafka")]
use crate::kafka::{Kafka, KafkaTap};
use crate::log::{Log, LogTap};
use crate::{Event, Topic};

/// The bus. Cheap to clone.
#[derive(Clone)]
pub enum Bus {
    /// A log in PostgreSQL, for installations without Kafka.
    Log(Log),
    /// Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Kafka),
}

/// The bus has not got all events.
#[derive(Debug, thiserror::Error)]
#[error("the bus has got {accepted} events of the batch")]
pub struct PublishError {
    /// So many, from the first on, it has got for certain. Of the others nobody knows; they may be published again.
    pub accepted: usize,
    /// Why not more.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Bus {
    /// What traces call it.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Log(_) => "postgresql",
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => "kafka",
        }
    }

    /// Publishes events in their order. When this returns they are stored.
    ///
    /// An event that is published twice may be delivered twice. Within an aggregate, whatever fails and however often it is
    /// repeated from where it failed, each event arrives for the first time after all those before it.
    ///
    /// # Errors
    /// If some are not known to be stored.
    pub async fn publish(&self, events: &[&Event]) -> Result<(), PublishError> {
        if events.is_empty() {
            return Ok(());
        }
        match self {
            Self::Log(log) => {
                log.publish(events).await.map_err(|error| PublishError { accepted: 0, cause: error.into() })
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.publish(events).await,
        }
    }

    /// Everything on these topics from now on, for this process alone: nothing is remembered of how far it has come. For what
    /// every process keeps in memory, such as caches.
    ///
    /// # Errors
    /// If the bus does not answer.
    pub async fn tap(&self, topics: &[Topic]) -> Result<Tap, TapError> {
        match self {
            Self::Log(log) => Ok(Tap(Taps::Log(log.tap(topics).await.map_err(TapError::new)?))),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => Ok(Tap(Taps::Kafka(kafka.tap(topics).await.map_err(TapError::new)?))),
        }
    }
}

/// Why a bus can't be listened to.
#[derive(Debug, thiserror::Error)]
#[error("the bus can't be listened to")]
pub struct TapError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl TapError {
    pub(crate) fn new(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(cause.into())
    }
}

/// See [`Bus::tap`].
pub struct Tap(Taps);

enum Taps {
    Log(LogTap),
    #[cfg(feature = "kafka")]
    Kafka(KafkaTap),
}

impl Tap {
    /// Waits for the next event. While the bus is away it waits too; nothing is left out, some may come twice. It may be dropped
    /// while it waits.
    pub async fn next(&mut self) -> Event {
        match &mut self.0 {
            Taps::Log(tap) => tap.next().await,
            #[cfg(feature = "kafka")]
            Taps::Kafka(tap) => tap.next().await,
        }
    }
}
