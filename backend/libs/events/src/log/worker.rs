//! What runs beside the log in every process: it hears of what others publish, and drops what is old.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::sleep;

use super::{CHANNEL, Log};
use crate::backoff::Backoff;
use crate::{Topic, locks};

/// How long events are kept by default.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
const CLEAN_EVERY: Duration = Duration::from_secs(600);
/// Events that are dropped in one statement.
const CLEAN_BATCH: i64 = 5_000;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// See the module.
pub struct LogWorker {
    log: Log,
    retention: Duration,
}

impl LogWorker {
    pub(super) fn new(log: Log) -> Self {
        Self { log, retention: RETENTION }
    }

    /// Keeps events for `retention` instead of 7 days. Consumers that are away for longer miss events.
    #[must_use]
    pub fn keeping(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Goes on for ever; it may be dropped at any moment.
    pub async fn run(self) {
        tokio::join!(self.listen(), self.clean());
    }

    /// Hears of what other processes publish. Without it, readers look every second.
    async fn listen(&self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            if let Err(error) = self.hear(&mut backoff).await {
                tracing::debug!("the event log can't be listened to: {error}");
            }
            sleep(backoff.pause()).await;
        }
    }

    async fn hear(&self, backoff: &mut Backoff) -> Result<(), sqlx::Error> {
        if self.log.0.pool.config().pgbouncer {
            std::future::pending::<()>().await; // notices do not come through it
        }
        let mut listener = PgListener::connect(&self.log.0.pool.config().url).await?;
        listener.listen(CHANNEL).await?;
        loop {
            self.log.0.news.send_replace(()); // something may have been missed before
            backoff.reset();
            // None: the connection was lost, and is there again.
            listener.try_recv().await?;
        }
    }

    async fn clean(&self) {
        loop {
            match self.drop_old().await {
                Ok(0) => {}
                Ok(dropped) => tracing::info!("dropped {dropped} events that had been kept for {:?}", self.retention),
                Err(error) => tracing::warn!("old events can't be dropped from the log: {error}"),
            }
            sleep(CLEAN_EVERY).await;
        }
    }

    /// Drops the events that were published longer ago than they are kept, and tells how many.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn drop_old(&self) -> Result<u64, pg::Error> {
        let mut dropped = 0;
        for topic in Topic::ALL {
            loop {
                let of_batch = self.drop_batch(topic).await?;
                dropped += of_batch;
                if of_batch == 0 {
                    break;
                }
            }
        }
        Ok(dropped)
    }

    async fn drop_batch(&self, topic: Topic) -> Result<u64, pg::Error> {
        let cutoff = self.log.0.clock.now() - self.retention;
        let mut tx = self.log.0.pool.begin().await?;
        if !locks::try_exclusive(&mut tx, locks::key("clean", topic.name())).await? {
            return Ok(0); // another process is about it
        }
        // The oldest come first, and positions grow with time: so what is left has no hole.
        let dropped: i64 = sqlx::query_scalar(
            "WITH old AS (
                 SELECT topic, position FROM (
                     SELECT topic, position, published_at FROM events WHERE topic = $1 ORDER BY position LIMIT $3) e
                 WHERE published_at < $2),
             dropped AS (
                 DELETE FROM events e USING old WHERE (e.topic, e.position) = (old.topic, old.position)
                 RETURNING e.position),
             noted AS (
                 UPDATE topics t SET expired_position = GREATEST(t.expired_position, d.last)
                 FROM (SELECT max(position) AS last FROM dropped) d WHERE t.name = $1 AND d.last IS NOT NULL)
             SELECT count(*) FROM dropped",
        )
        .bind(topic.name())
        .bind(cutoff)
        .bind(CLEAN_BATCH)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(dropped.unsigned_abs())
    }
}
