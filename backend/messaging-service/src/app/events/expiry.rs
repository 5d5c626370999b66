//! Drops events that are older than cursors have to hold.

use std::time::Duration;

use chrono::TimeDelta;
use clock::Clock;
use pg::Pool;
use tokio::time::sleep;

use crate::storage::events;

/// Events that are dropped in one transaction.
const AT_ONCE: i64 = 1000;
/// How often it is looked whether there are any.
const EVERY: Duration = Duration::from_secs(60);

/// See the module.
pub struct Expiry {
    pg: Pool,
    clock: Clock,
    retention: TimeDelta,
}

impl Expiry {
    /// Drops what is older than `retention`.
    pub fn new(pg: Pool, clock: Clock, retention: TimeDelta) -> Self {
        Self { pg, clock, retention }
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
        events::expire(&mut conn, self.clock.now() - self.retention, AT_ONCE).await
    }
}
