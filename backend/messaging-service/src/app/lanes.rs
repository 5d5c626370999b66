//! Writer lanes: messages that arrive while a batch commits go out together in the next one.
//!
//! A conversation always uses the same lane, so the lanes of a process do not wait for each other's locks. There is no
//! timer: an idle lane sends at once. What a caller is told is what its own row was answered with, after the commit.
//!
//! The lanes have connections of their own, so that reads never keep a send waiting, and each statement is waited for no
//! longer than the database may take for it: a host that has vanished without a word costs a lane that time once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::Clock;
use errors::{Class, Classify};
use ids::ConversationId;
use pg::Pool;
use protos::messaging::v1::ErrorReason as Reason;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use traces::Span;

use super::contact_view::{ContactView, Gate, Pass};
use super::events::Events;
use super::lane_trace;
use crate::metrics::Metrics;
use crate::model::Message;
use crate::storage::send::{self, NewMessage, Outcome};

const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How much later than the server itself a lane gives up on a statement.
const GRACE: Duration = Duration::from_secs(1);

/// How many lanes there are and what bounds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of lanes; each uses one database connection at a time.
    pub lanes: usize,
    /// Messages that may wait in each.
    pub queue: usize,
    /// Messages in one statement.
    pub max_batch: usize,
}

/// What became of a message.
#[derive(Debug)]
pub enum Sent {
    /// It is stored, now or by an earlier try.
    Stored(Message),
    /// The client id was used with other content.
    Reused,
    /// No such conversation, or the sender is no member.
    NotFound,
    /// Who may write to whom has changed while it waited, or was not asked again for too long; nothing is stored.
    Stale(NewMessage),
}

/// Why it is not known to be stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More messages wait than a lane holds.
    #[error("more messages are waiting than the service takes on")]
    Overloaded,
    /// The process is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// The database can't be reached: nothing was sent to it. Logged once for the batch.
    #[error("the database does not answer")]
    Unreachable,
    /// The database went away: whether the message is stored is open. Logged once for the batch.
    #[error("the database did not answer, the message may have been stored")]
    Lost,
    /// Somebody holds the conversation's lock for long.
    #[error("the conversation is busy for long, try again")]
    Busy,
    /// The database refused this message.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Overloaded => Class::limited(Reason::Overloaded, RETRY_AFTER),
            Self::Stopping | Self::Unreachable | Self::Lost | Self::Busy => Class::unavailable(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl Error {
    /// Why no connection was to be had.
    fn unsent(error: &pg::Error) -> Self {
        match error {
            pg::Error::PoolTimeout => Self::Overloaded,
            _ => Self::Unreachable,
        }
    }

    /// The same for everybody in the batch; nothing if the database has refused something in it.
    fn of_all(&self) -> Option<fn() -> Self> {
        match self {
            Self::Overloaded => Some(|| Self::Overloaded),
            Self::Unreachable => Some(|| Self::Unreachable),
            Self::Lost => Some(|| Self::Lost),
            Self::Stopping | Self::Busy | Self::Pg(_) => None,
        }
    }
}

type Reply = oneshot::Sender<Result<Sent, Error>>;

struct Item {
    message: NewMessage,
    pass: Option<Pass>,
    reply: Reply,
    since: Instant,
    /// What a trace says of it; it ends with this.
    span: Option<Span>,
}

/// The lanes' entrances.
pub struct Lanes {
    queues: Vec<mpsc::Sender<Item>>,
    metrics: Arc<Metrics>,
}

/// A lane's worker.
pub struct Lane {
    queue: mpsc::Receiver<Item>,
    gate: Gate,
    max_batch: usize,
    pool: Pool,
    /// How long a statement is waited for: the server ends it before, unless the server is gone.
    patience: Duration,
    clock: Clock,
    contacts: ContactView,
    events: Arc<Events>,
    metrics: Arc<Metrics>,
}

impl Lanes {
    /// The entrances, and the workers that have to be run. `pool` has a connection for each of them.
    pub fn new(
        shape: Shape,
        pool: &Pool,
        clock: &Clock,
        contacts: &ContactView,
        events: &Arc<Events>,
        metrics: &Arc<Metrics>,
    ) -> (Self, Vec<Lane>) {
        let mut queues = vec![];
        let mut workers = vec![];
        for _ in 0..shape.lanes {
            let (entrance, queue) = mpsc::channel(shape.queue);
            queues.push(entrance);
            workers.push(Lane {
                queue,
                gate: contacts.new_gate(),
                max_batch: shape.max_batch,
                pool: pool.clone(),
                patience: pool.config().statement_timeout + GRACE,
                clock: clock.clone(),
                contacts: contacts.clone(),
                events: Arc::clone(events),
                metrics: Arc::clone(metrics),
            });
        }
        (Self { queues, metrics: Arc::clone(metrics) }, workers)
    }

    /// Sends a message through its conversation's lane and waits for the commit.
    ///
    /// # Errors
    /// [`Error`]; only [`Error::Lost`] leaves open whether it is stored.
    pub async fn send(&self, message: NewMessage, pass: Option<Pass>) -> Result<Sent, Error> {
        let queue = &self.queues[lane_of(message.conversation, self.queues.len())];
        let (reply, answer) = oneshot::channel();
        let item = Item { message, pass, reply, since: Instant::now(), span: lane_trace::wait() };
        queue.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.metrics.send_refused();
                Error::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => Error::Stopping,
        })?;
        answer.await.unwrap_or(Err(Error::Lost))
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// How many messages may wait.
    pub fn capacity(&self) -> usize {
        self.queues.iter().map(mpsc::Sender::max_capacity).sum()
    }
}

fn lane_of(conversation: ConversationId, lanes: usize) -> usize {
    // The last 64 bits of a UUIDv7 are random.
    let index = conversation.uuid().as_u64_pair().1 % lanes as u64;
    usize::try_from(index).expect("below the number of lanes")
}

impl Lane {
    /// Works until the process stops and the queue is empty.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut items = Vec::new();
        let mut closing = false;
        loop {
            tokio::select! {
                biased;
                taken = self.queue.recv_many(&mut items, self.max_batch) => {
                    if taken == 0 {
                        return;
                    }
                    self.write(std::mem::take(&mut items)).await;
                }
                () = stop.cancelled(), if !closing => {
                    self.queue.close();
                    closing = true;
                }
            }
        }
    }

    async fn write(&self, mut items: Vec<Item>) {
        let error = match self.store(&mut items).await {
            Ok(outcomes) => {
                return items.into_iter().zip(outcomes).for_each(|(item, outcome)| {
                    answer(item.reply, Ok(sent(item.message, outcome)));
                });
            }
            Err(error) => error,
        };
        if let Some(same) = error.of_all() {
            items.into_iter().for_each(|item| answer(item.reply, Err(same())));
        } else if items.len() > 1 {
            tracing::warn!("a batch of {} messages failed, each is tried alone: {error}", items.len());
            self.write_each(items).await;
        } else {
            items.into_iter().zip([error]).for_each(|(item, error)| answer(item.reply, Err(error)));
        }
    }

    /// One bad row fails alone, and a conversation whose lock can't be had keeps the others waiting only once.
    async fn write_each(&self, items: Vec<Item>) {
        let mut busy = Vec::new();
        let mut is_gone = false;
        for item in items {
            let conversation = item.message.conversation;
            if is_gone {
                answer(item.reply, Err(Error::Unreachable));
            } else if busy.contains(&conversation) {
                answer(item.reply, Err(Error::Busy));
            } else {
                let mut alone = vec![item];
                let result = self.store(&mut alone).await;
                match &result {
                    Err(Error::Pg(pg::Error::Conflict(_) | pg::Error::StatementTimeout)) => busy.push(conversation),
                    Err(error) => is_gone = error.of_all().is_some(),
                    Ok(_) => {}
                }
                let Some(Item { message, reply, .. }) = alone.pop() else { continue };
                let outcome = result.and_then(|outcomes| outcomes.into_iter().next().ok_or(Error::Lost));
                answer(reply, outcome.map(|outcome| sent(message, outcome)));
            }
        }
    }

    /// Stores a batch, and takes out of it whom nobody waits for any more and whose pass is over.
    async fn store(&self, items: &mut Vec<Item>) -> Result<Vec<Outcome>, Error> {
        let mut conn = self.pool.conn().await.map_err(|error| {
            warn("messages could not be sent to the database", &error);
            Error::unsent(&error)
        })?;
        // From here to the commit an invalidation waits for us.
        let _writing = self.gate.read().await;
        let valid_for = self.still_due(items);
        if items.is_empty() {
            return Ok(vec![]);
        }
        let begun = Instant::now();
        self.metrics.send_batch(items.len());
        if let Some(oldest) = items.first() {
            self.metrics.send_waited(begun - oldest.since);
        }
        let batch: Vec<_> = items.iter().map(|item| &item.message).zip(valid_for).collect();
        let span = lane_trace::batch(items.iter().map(|item| item.span.as_ref()), batch.len());
        let storing = send::send_messages(&mut conn, &batch, self.clock.now());
        let stored = tokio::time::timeout(self.patience, storing).await;
        self.metrics.send_committed(begun.elapsed());
        if !matches!(stored, Ok(Ok(_))) {
            lane_trace::failed(span.as_ref());
        }
        match stored {
            Ok(Ok(outcomes)) => {
                self.events.wake();
                lane_trace::committed(span.as_ref());
                Ok(outcomes)
            }
            Ok(Err(error)) if error.is_unavailable() => {
                warn("messages may be lost", &error);
                Err(Error::Lost)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                conn.abandon();
                tracing::warn!("messages may be lost: the database has not answered for {:?}", self.patience);
                Err(Error::Lost)
            }
        }
    }

    /// The items that are left, each with how long its pass may still be acted on.
    fn still_due(&self, items: &mut Vec<Item>) -> Vec<Option<Duration>> {
        let mut valid_for = Vec::with_capacity(items.len());
        for item in std::mem::take(items) {
            let left = item.pass.map(|pass| self.contacts.time_left(&pass));
            if item.reply.is_closed() {
                self.metrics.send_abandoned(); // its deadline has passed, or its client has left
            } else if left == Some(None) {
                answer(item.reply, Ok(Sent::Stale(item.message)));
            } else {
                valid_for.push(left.flatten());
                items.push(item);
            }
        }
        valid_for
    }
}

fn sent(message: NewMessage, outcome: Outcome) -> Sent {
    match outcome {
        Outcome::Stored(stored) => Sent::Stored(message.into_message(*stored)),
        Outcome::Reused => Sent::Reused,
        Outcome::NotFound => Sent::NotFound,
        Outcome::TooLate => Sent::Stale(message),
    }
}

fn answer(reply: Reply, result: Result<Sent, Error>) {
    // Whoever has left meanwhile learns the outcome by a retry with the same client id.
    let _ = reply.send(result);
}

fn warn(what: &str, error: &pg::Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(%cause, "{what}: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use errors::Kind;

    #[test]
    fn who_got_no_connection_is_told_to_come_back_and_nothing_of_what_may_be_stored() {
        let error = Error::unsent(&pg::Error::PoolTimeout);
        assert_eq!(error.class().kind(), Kind::Limited);
        assert!(!error.to_string().contains("stored"), "{error}");
    }
}
