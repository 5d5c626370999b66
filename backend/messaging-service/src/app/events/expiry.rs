//! Drops events that are older than cursors have to hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use clock::Clock;
use pg::Pool;
use tokio::time::sleep;

use crate::storage::events::{self, Expired};

/// Events that are dropped in one transaction.
const AT_ONCE: i64 = 1000;
/// How often it is looked whether there are any.
const EVERY: Duration = Duration::from_secs(60);

/// See the module.
pub struct Expiry {
    pg: Pool,
    clock: Clock,
    retention: TimeDelta,
    /// Whether what waits for the relay stays.
    hold: bool,
    has_told: AtomicBool,
}

impl Expiry {
    /// Drops what is older than `retention`.
    pub fn new(pg: Pool, clock: Clock, retention: TimeDelta) -> Self {
        Self { pg, clock, retention, hold: false, has_told: AtomicBool::new(false) }
    }

    /// Keeps what is not on the event bus yet, however old it is.
    #[must_use]
    pub fn holding_for_the_bus(mut self) -> Self {
        self.hold = true;
        self
    }

    /// Works for ever; several replicas may.
    pub async fn run(self) {
        loop {
            match self.step().await {
                Ok(dropped) if dropped >= AT_ONCE.unsigned_abs() => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!("old events could not be dropped: {error}"),
            }
            sleep(EVERY).await;
        }
    }

    /// Drops some; tells how many.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn step(&self) -> Result<u64, pg::Error> {
        let mut conn = self.pg.conn().await?;
        let cutoff = self.clock.now() - self.retention;
        let Expired { dropped, unpublished } = events::expire(&mut conn, cutoff, self.hold, AT_ONCE).await?;
        if unpublished > 0 && !self.has_told.swap(true, Ordering::Relaxed) {
            tracing::warn!("old changes to conversations are dropped that were never on an event bus: there is none");
        }
        Ok(dropped)
    }
}
