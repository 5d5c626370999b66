//! Carries what a source holds to the bus: at least once, and in order within each aggregate.
//!
//! A step is one transaction: the turn (a lock that ends with it), a batch, its publication, its acknowledgement. So there is
//! one relay at a time for each source, one that loses its connection has neither turn nor acknowledgement, and the next one
//! begins where the last acknowledged batch ended. What was published and not acknowledged is published again, from the same
//! place and in the same order.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use pg::Pool;
use sqlx::PgConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use traces::Tracer;

use crate::backoff::{Backoff, jittered};
use crate::bus::{Bus, PublishError};
use crate::chain::chain;
use crate::{Event, Item, Source, locks, meters, trace};

/// How a relay goes about it.
#[derive(Clone, Copy, Debug)]
pub struct RelayOptions {
    /// Most rows in one step.
    pub batch: i64,
    /// How often it looks without being told to.
    pub look_every: Duration,
    /// How long the bus may take for a batch. A connection of the pool is held meanwhile.
    pub publish_within: Duration,
    /// The longest pause after failures.
    pub longest_pause: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            look_every: Duration::from_secs(1),
            publish_within: Duration::from_secs(10),
            longest_pause: Duration::from_secs(15),
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// When another relay had the turn while there was something new: it may have looked just before.
const TURN_PAUSE: Duration = Duration::from_millis(50);
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Tells a relay of this process to look: to be called after the commit. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// There is something new. Calls that come while the relay is busy count as one.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Takes the turn of the relay `name` for as long as the transaction lasts: meanwhile nothing of its source reaches the bus, in no
/// process. Waits for a batch that is under way.
///
/// # Errors
/// If the database fails.
pub async fn hold(conn: &mut PgConnection, name: &str) -> Result<(), pg::Error> {
    locks::exclusive(conn, turn(name)).await
}

fn turn(name: &str) -> i64 {
    locks::key("relay", name)
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A full batch is done: there may be more.
    More,
    /// All that there was is done: so many rows.
    Done(usize),
    /// Another relay has the turn.
    NotMyTurn,
}

/// Why a step failed; the next one repeats it.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The source's database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
    /// The bus.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The bus took too long.
    #[error("the bus did not answer within {0:?}")]
    Late(Duration),
}

/// See the module.
pub struct Relay<S> {
    name: &'static str,
    pool: Pool,
    source: S,
    bus: Bus,
    clock: Clock,
    wake: Wake,
    options: RelayOptions,
    tracer: Tracer,
    turn: i64,
    measured: Option<Instant>,
}

impl<S: Source> Relay<S> {
    /// A relay of the source in `pool`'s database. `name` is the same in all processes: of those, one at a time has the turn. It
    /// is the label `outbox` of the metrics.
    pub fn new(name: &'static str, pool: Pool, source: S, bus: Bus, clock: Clock) -> Self {
        meters::of_relay(name);
        let (wake, options, turn) = (Wake::default(), RelayOptions::default(), turn(name));
        let tracer = Tracer::default();
        Self { name, pool, source, bus, clock, wake, options, tracer, turn, measured: None }
    }

    /// The same, whose publications are recorded.
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Goes about it in another way than by default.
    #[must_use]
    pub fn with(mut self, options: RelayOptions) -> Self {
        self.options = options;
        self
    }

    /// What those who write into the source call after their commits.
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Goes on for ever. It may be dropped at any moment; what is not acknowledged by then is published again.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, self.options.longest_pause);
        let mut is_told = false;
        let mut has_failed = false;
        loop {
            let step = self.step().await;
            self.measure().await;
            if let Err(error) = &step {
                metrics::counter!("nova_outbox_failures_total", "outbox" => self.name).increment(1);
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!("the {} relay can't publish, what is committed waits: {}", self.name, chain(error));
                }
                sleep(backoff.pause()).await;
                continue;
            }
            if std::mem::take(&mut has_failed) {
                tracing::info!("the {} relay publishes again", self.name);
            }
            backoff.reset();
            let pause = match step {
                Ok(Step::More) => continue,
                Ok(Step::NotMyTurn) if is_told => jittered(TURN_PAUSE),
                _ => self.options.look_every,
            };
            // Who was told while it was another's turn looks once more, and then as usual.
            is_told = timeout(pause, self.wake.0.notified()).await.is_ok();
        }
    }

    /// Publishes one batch, if it is this relay's turn and there is any.
    ///
    /// # Errors
    /// If the database or the bus fails. What the bus has certainly got is acknowledged all the same.
    pub async fn step(&mut self) -> Result<Step, RelayError> {
        let mut tx = self.pool.begin().await?;
        if !locks::try_exclusive(&mut tx, self.turn).await? {
            return Ok(Step::NotMyTurn);
        }
        let items = self.source.next(&mut tx, self.options.batch).await?;
        if items.is_empty() {
            return Ok(Step::Done(0));
        }
        let (done, outcome) = self.publish(&items).await;
        if done > 0 {
            self.source.acknowledge(&mut tx, &items[..done]).await?;
            tx.commit().await?;
        }
        outcome?;
        let is_full = items.len() as i64 >= self.options.batch;
        Ok(if is_full { Step::More } else { Step::Done(items.len()) })
    }

    /// How many items, from the first on, need no more publishing; and why not all.
    async fn publish(&self, items: &[Item<S::Mark>]) -> (usize, Result<(), RelayError>) {
        let events: Vec<&Event> = items.iter().filter_map(|item| item.event.as_ref()).collect();
        let spans = trace::publications(&self.tracer, &self.bus, &events);
        let published = match timeout(self.options.publish_within, self.bus.publish(&events)).await {
            Ok(published) => published,
            Err(_) => {
                trace::published(spans, 0);
                return (0, Err(RelayError::Late(self.options.publish_within)));
            }
        };
        let accepted = published.as_ref().err().map_or(events.len(), |error| error.accepted);
        trace::published(spans, accepted);
        metrics::counter!("nova_outbox_published_total", "outbox" => self.name).increment(accepted as u64);
        // Up to the first item whose event the bus has not got.
        let (mut left, mut done) = (accepted, 0);
        for item in items {
            if item.event.is_some() {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            done += 1;
        }
        (done, published.map_err(RelayError::from))
    }

    /// Writes what waits into the metrics, from time to time.
    async fn measure(&mut self) {
        if self.measured.is_some_and(|at| at.elapsed() < MEASURE_EVERY) {
            return;
        }
        self.measured = Some(Instant::now());
        let Ok(mut conn) = self.pool.conn().await else { return };
        let Ok(backlog) = self.source.backlog(&mut conn).await else { return };
        let age = backlog.oldest.map_or(0.0, |at| (self.clock.now() - at).as_seconds_f64().max(0.0));
        metrics::gauge!("nova_outbox_rows", "outbox" => self.name).set(backlog.rows as f64);
        metrics::gauge!("nova_outbox_oldest_age_seconds", "outbox" => self.name).set(age);
    }
}
