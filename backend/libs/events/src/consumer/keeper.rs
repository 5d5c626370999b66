//! What a consumer does besides: it tries dead letters again when it is asked to, and forgets what it need not remember.

use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Consumer, Handler, dead_letters, inbox};
use crate::chain::chain;
use crate::{Topic, locks};

const FORGET_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// What a redrive came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Dead letters that were acted on.
    pub handled: u64,
    /// Aggregates whose oldest dead letter failed again.
    pub failed: u64,
}

impl<H: Handler> Consumer<H> {
    pub(super) async fn keep(&self) {
        let mut forgot: Option<Instant> = None;
        loop {
            if let Err(error) = self.redrive().await {
                tracing::debug!("{} can't look for dead letters: {error}", self.name);
            }
            if forgot.is_none_or(|at| at.elapsed() > FORGET_EVERY) {
                forgot = Some(Instant::now());
                if let Err(error) = self.forget().await {
                    tracing::debug!("{} can't forget old events: {error}", self.name);
                }
            }
            sleep(self.options.look_every).await;
        }
    }

    /// Tries the dead letters that were asked for ([`request_redrive`](super::request_redrive)), each aggregate's in order and
    /// up to the first that fails again. A running consumer does this by itself.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn redrive(&self) -> Result<Redriven, pg::Error> {
        let mut redriven = Redriven::default();
        let mut conn = self.pool.conn().await?;
        let count = dead_letters::count(&mut conn, self.name).await?;
        metrics::gauge!("nova_dead_letters", "consumer" => self.name).set(count as f64);
        if count == 0 {
            return Ok(redriven);
        }
        let asked = dead_letters::to_redrive(&mut conn, self.name).await?;
        drop(conn);
        for (topic, aggregate) in asked {
            let Some(topic) = Topic::of_name(&topic) else { continue };
            while let Some(is_handled) = self.redrive_oldest(topic, aggregate).await? {
                if !is_handled {
                    redriven.failed += 1;
                    break;
                }
                redriven.handled += 1;
            }
        }
        Ok(redriven)
    }

    /// Tries an aggregate's oldest dead letter; none if there is none.
    async fn redrive_oldest(&self, topic: Topic, aggregate: Uuid) -> Result<Option<bool>, pg::Error> {
        let mut tx = self.pool.begin().await?;
        // Nobody adds dead letters meanwhile, so what comes behind them does not overtake them.
        locks::exclusive(&mut tx, self.turn(topic)).await?;
        let Some(event) = dead_letters::oldest(&mut tx, self.name, topic, aggregate).await? else { return Ok(None) };
        let outcome = if self.wants(&event) { self.handle(&mut tx, &event).await } else { Ok(()) };
        match outcome {
            Ok(()) => {
                dead_letters::discard(&mut tx, self.name, event.id).await?;
                tx.commit().await?;
                Ok(Some(true))
            }
            Err(error) => {
                drop(tx);
                let conn: &mut PgConnection = &mut *self.pool.conn().await?;
                dead_letters::give_up(conn, self.name, &event, &chain(&error)).await?;
                Ok(Some(false))
            }
        }
    }

    async fn forget(&self) -> Result<(), pg::Error> {
        let cutoff = self.clock.now() - self.options.remember;
        let mut conn = self.pool.conn().await?;
        while inbox::forget_before(&mut conn, self.name, cutoff).await? > 0 {}
        Ok(())
    }
}
