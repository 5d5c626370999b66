//! Events between services: committed with the change, carried to a bus, acted on once.
//!
//! A service writes what has happened into its [`outbox`] in the transaction of the change. A [`Relay`] carries it from there (or
//! from another [`Source`]) to the [`Bus`]: Kafka, or a log in PostgreSQL. Elsewhere a [`Consumer`] acts on it, in one
//! transaction with the note that it did. What must hold is said in docs/EVENTS.md, and why it is done so in docs/adr/0013.

mod backoff;
mod bus;
mod chain;
pub mod consumer;
mod event;
#[cfg(feature = "kafka")]
pub mod kafka;
mod kinds;
mod locks;
mod log;
mod meters;
pub mod outbox;
mod relay;
mod row;
mod source;
mod topic;
mod trace;

pub use bus::{Bus, PublishError, Tap, TapError};
pub use consumer::{Consumer, ConsumerOptions, Handler, HandlerError};
pub use event::{DecodeError, Event, Kind, MAX_DATA_BYTES, Payload};
#[cfg(feature = "kafka")]
pub use kafka::{Kafka, KafkaConfig};
pub use kinds::KINDS;
pub use log::{LOG_MIGRATOR, Log, LogWorker};
pub use outbox::Outbox;
pub use relay::{Relay, RelayError, RelayOptions, Step, Wake, hold as hold_relay};
pub use source::{Backlog, Item, Source};
pub use topic::Topic;
