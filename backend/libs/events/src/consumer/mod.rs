//! Acts on events of the bus, on each once.
//!
//! The effect, the note that it was done (the inbox) and, with the log, how far the consumer has come are one transaction in the
//! service's own database. So an event that is delivered again is passed over, whichever bus delivers it, and whoever dies
//! between two of these steps has done none of them.

mod apply;
mod dead_letters;
mod inbox;
mod keeper;
mod lane;
#[cfg(feature = "kafka")]
mod over_kafka;
mod over_log;
pub(crate) mod replay;

use std::time::Duration;

use clock::Clock;
use pg::Pool;
use sqlx::PgConnection;
use traces::Tracer;

use crate::{Bus, DecodeError, Event, Kind, Topic, meters};

pub use dead_letters::{DeadLetter, discard, list, request_redrive};
pub use keeper::Redriven;
pub use replay::{Place, ReplayError, ReplayFrom, places, replay, skip};

/// What a service does about events.
///
/// All effects belong into the transaction that is handed in; what is done outside of it may be done again. The events of an
/// aggregate come one after another, in the order in which they were committed.
pub trait Handler: Send + Sync + 'static {
    /// What it acts on; other events are passed over.
    const KINDS: &'static [Kind];

    /// Acts on an event, in a transaction that it neither commits nor rolls back. It must not take longer than
    /// [`ConsumerOptions::handle_within`].
    ///
    /// # Errors
    /// [`HandlerError`] says whether another try may help. The transaction is rolled back.
    fn handle(&self, conn: &mut PgConnection, event: &Event) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Why an event was not acted on.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Something that is needed is away: it is tried again until it works, and what comes after it in its stream waits.
    #[error(transparent)]
    Transient(Box<dyn std::error::Error + Send + Sync>),
    /// The event or the code is at fault: after a few tries it is put among the dead letters, and what comes after it in its
    /// aggregate behind it.
    #[error(transparent)]
    Permanent(Box<dyn std::error::Error + Send + Sync>),
}

impl HandlerError {
    /// One that another try may help.
    pub fn transient(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Transient(cause.into())
    }

    /// One that will not go away by itself.
    pub fn permanent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Permanent(cause.into())
    }
}

impl From<pg::Error> for HandlerError {
    fn from(error: pg::Error) -> Self {
        match error {
            pg::Error::Unavailable(_)
            | pg::Error::PoolTimeout
            | pg::Error::StatementTimeout
            | pg::Error::Conflict(_) => Self::transient(error),
            pg::Error::BeingRestored
            | pg::Error::Constraint { .. }
            | pg::Error::Corrupt(_)
            | pg::Error::Statement(_) => Self::permanent(error),
        }
    }
}

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        pg::Error::from(error).into()
    }
}

impl From<DecodeError> for HandlerError {
    fn from(error: DecodeError) -> Self {
        Self::permanent(error)
    }
}

/// How a consumer goes about it.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerOptions {
    /// Most events in one transaction.
    pub batch: usize,
    /// How often an event is tried that fails for good, before it is put among the dead letters.
    pub tries: u32,
    /// How long handling one event may take.
    pub handle_within: Duration,
    /// The first pause after a failure.
    pub first_pause: Duration,
    /// The longest pause after failures.
    pub longest_pause: Duration,
    /// How often it looks without being told to.
    pub look_every: Duration,
    /// How long it is remembered that an event was acted on. It has to be longer than the bus keeps events.
    pub remember: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            batch: 100,
            tries: 5,
            handle_within: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(15),
            look_every: Duration::from_secs(1),
            remember: Duration::from_secs(14 * 24 * 3600),
        }
    }
}

/// See the module.
pub struct Consumer<H> {
    name: &'static str,
    pool: Pool,
    clock: Clock,
    handler: H,
    options: ConsumerOptions,
    tracer: Tracer,
    /// What traces call the bus that it listens to.
    system: &'static str,
}

impl<H: Handler> Consumer<H> {
    /// A consumer whose effects are in `pool`'s database, which has the tables of schema/0002_create_inbox.sql. `name` is the
    /// same in all processes that share the work, such as `messaging.blocks`, and must never change: it is what the bus and
    /// the inbox know it by. A new name begins with the oldest event that the bus still has.
    pub fn new(name: &'static str, pool: Pool, clock: Clock, handler: H) -> Self {
        meters::of_consumer(name, &Self::topics());
        let (options, tracer) = (ConsumerOptions::default(), Tracer::default());
        Self { name, pool, clock, handler, options, tracer, system: "" }
    }

    /// The same, whose work is recorded.
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Goes about it in another way than by default.
    #[must_use]
    pub fn with(mut self, options: ConsumerOptions) -> Self {
        self.options = options;
        self
    }

    /// The topics of the handler's kinds.
    pub fn topics() -> Vec<Topic> {
        let mut topics: Vec<Topic> = H::KINDS.iter().map(|kind| kind.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Goes on for ever. It may be dropped at any moment; what was not committed by then is done again.
    pub async fn run(mut self, bus: Bus) {
        self.system = bus.system();
        match bus {
            Bus::Log(log) => {
                let streams = Self::topics().into_iter().map(|topic| self.follow_log(&log, topic));
                tokio::join!(futures::future::join_all(streams), self.keep());
            }
            #[cfg(feature = "kafka")]
            Bus::Kafka(kafka) => {
                tokio::join!(self.follow_kafka(&kafka), self.keep());
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        H::KINDS.iter().any(|kind| kind.name == event.kind)
    }

    /// The lock of the consumer's place in a topic.
    fn turn(&self, topic: Topic) -> i64 {
        turn(self.name, topic)
    }
}

/// The lock of a consumer's place in a topic.
fn turn(consumer: &str, topic: Topic) -> i64 {
    crate::locks::key(consumer, topic.name())
}
