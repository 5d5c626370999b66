//! What goes on beside the calls. A step that fails is logged and comes again: a database that is away for a while must not
//! stop the process.

use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use pg::request::InRequest;
use tokio_util::sync::CancellationToken;

use super::tokens::OVERLAP;
use super::{App, audit, keyring};
use crate::model::audit_chain::CHAINS;
use crate::storage::sweep::{self, Rubbish};
use crate::storage::{profile_sync, sessions, webhook_sweep};

/// Rows that one statement of the sweeper removes.
const SWEEP_BATCH: i64 = 1_000;
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const REPEATS_EVERY: Duration = Duration::from_secs(1);
const PROFILES_EVERY: Duration = Duration::from_secs(1);
/// Sessions are kept this long after their end, for a look at what happened.
const SESSIONS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const REVOKED_AT_ONCE: i64 = 10_000;

/// Accounts that the worker takes at once.
const PROFILES_BATCH: i64 = 50;
/// When they come due again, in case this process dies before it is done.
const PROFILES_AGAIN: Duration = Duration::from_secs(15);
/// Profiles that are told of at once. A batch of which each times out is over before it comes due again.
const PROFILES_AT_ONCE: usize = 10;
/// Used refresh tokens are kept this long, far longer than a repeat gets the same successor.
const USED_TOKENS_KEPT: Duration = Duration::from_secs(60 * 60);

impl App {
    /// Bounds a worker's wait for the database: one whose host vanished without a word would be waited for until TCP gives
    /// up. A connection in the middle of a query must not go back to the pool, so the step is polled as calls are.
    ///
    /// Not for use inside a call: there the connection would seem to be dropped in good order.
    pub(super) async fn step<T, E: From<pg::Error>>(&self, step: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let limit = self.config.database.statement_timeout + Duration::from_secs(1);
        match tokio::time::timeout(limit, InRequest::new(step)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(pg::Error::Unavailable(elapsed.into()).into()),
        }
    }

    /// Learns of new keys, and of sessions that other replicas have ended.
    ///
    /// # Errors
    /// If the tables can't be read; what is known goes on holding.
    pub async fn sync_tokens(&self) -> Result<(), keyring::Error> {
        self.step(self.read_tokens()).await
    }

    async fn read_tokens(&self) -> Result<(), keyring::Error> {
        // Before the tables are read: what is written meanwhile is read next time.
        let as_of = self.clock.now();
        let mut conn = self.pg.conn().await?;
        self.keyring.reload(&mut conn, as_of).await?;
        // All that may matter at the first look, afterwards what came since the last look that got to the end.
        let oldest = as_of - self.config.tokens.access_ttl - Duration::from_secs(60);
        let last = *self.synced_at.lock().unwrap_or_else(PoisonError::into_inner);
        let since = last.map_or(oldest, |last| last.min(as_of) - OVERLAP).max(oldest);
        let mut after = None;
        loop {
            let revoked = sessions::list_revoked(&mut conn, since, after, REVOKED_AT_ONCE).await?;
            for row in &revoked {
                self.revoked([row.id.into()], row.revoked_at);
            }
            match revoked.last() {
                Some(last) if revoked.len() as i64 == REVOKED_AT_ONCE => after = Some((last.revoked_at, last.id)),
                _ => break,
            }
        }
        drop(conn);
        *self.synced_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(as_of);
        // Keys last: a verifier that has keys knows the revocations too.
        if let Err(fault) = self.verifier.install(&self.jwks().to_string()) {
            tracing::error!(error = %fault, "our own key set can't be used: {fault}");
        }
        Ok(())
    }

    /// Keeps keys and revocations up to date, for ever.
    pub async fn follow_tokens(&self) {
        let mut failing = false;
        loop {
            // The end of the wait, or news from another replica.
            let _ = tokio::time::timeout(self.config.tokens.poll_interval, self.verifier.keys_expected()).await;
            match self.sync_tokens().await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "keys and revocations can't be read: {error}");
                }
                Err(_) => {}
            }
        }
    }

    /// Tells the user service of accounts that it has not heard of, for ever.
    pub async fn follow_profiles(&self) {
        loop {
            tokio::time::sleep(PROFILES_EVERY).await;
            if let Err(error) = self.sync_due_profiles().await {
                tracing::debug!(%error, "accounts without a profile can't be read: {error}");
            }
        }
    }

    /// Removes what has no effect any more, for ever.
    pub async fn keep_clean(&self) {
        loop {
            if let Err(error) = self.step(self.measure_webhooks()).await {
                tracing::debug!(%error, "webhooks can't be measured: {error}");
            }
            tokio::time::sleep(SWEEP_EVERY).await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "{count} rows swept"),
                Err(error) => tracing::debug!(%error, "sweeping failed: {error}"),
            }
        }
    }

    /// Tells the user service what it has not heard yet. Returns how many accounts were due.
    ///
    /// Each is told by itself: one that fails or takes long holds up no other, and comes due again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sync_due_profiles(&self) -> Result<usize, pg::Error> {
        let now = self.clock.now();
        let claim = async {
            let mut conn = self.pg.conn().await?;
            profile_sync::claim_due(&mut conn, now, now + PROFILES_AGAIN, PROFILES_BATCH).await
        };
        let due = self.step(claim).await?;
        let count = due.len();
        let told = futures::stream::iter(due).map(|pending| async move { self.sync_due_profile(&pending).await });
        let causes: Vec<String> =
            told.buffer_unordered(PROFILES_AT_ONCE).filter_map(async |cause| cause).collect().await;
        if let Some(cause) = causes.first() {
            let failed = causes.len();
            tracing::warn!(failed, %cause, "the user service was not told of {failed} of {count} accounts, it will be: {cause}");
        }
        Ok(count)
    }

    /// Removes what has no effect any more. Returns how many rows went.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sweep(&self) -> Result<u64, pg::Error> {
        let now = self.clock.now();
        let ended_before = now - SESSIONS_KEPT.max(self.config.tokens.access_ttl);
        let rubbish = [
            (Rubbish::ExpiredRefreshTokens, now),
            (Rubbish::UsedRefreshTokens, now - USED_TOKENS_KEPT),
            (Rubbish::EndedRefreshTokens, ended_before),
            (Rubbish::Sessions, ended_before),
            (Rubbish::OneTimeTokens, now),
            (Rubbish::LoginFailures, now - self.lockout.forget_after),
        ];
        let mut removed = 0;
        for (what, before) in rubbish {
            loop {
                let batch = async {
                    let mut conn = self.pg.conn().await?;
                    sweep::delete_batch(&mut conn, what, before, SWEEP_BATCH).await
                };
                match self.step(batch).await? {
                    0 => break,
                    count => removed += count,
                }
            }
        }
        removed += self.sweep_webhooks(now - self.config.webhooks.retention).await?;
        Ok(removed + self.sweep_audit_log(now - self.config.audit.retention).await?)
    }

    /// Removes what is not kept of webhooks any more. Returns how many rows went.
    async fn sweep_webhooks(&self, before: DateTime<Utc>) -> Result<u64, pg::Error> {
        let mut removed = 0;
        loop {
            let batch = async {
                let mut tx = self.pg.begin().await?;
                let mut count = webhook_sweep::delete_old(&mut tx, before, SWEEP_BATCH).await?;
                count += webhook_sweep::delete_orphans(&mut tx, SWEEP_BATCH).await?;
                tx.commit().await?;
                let mut tx = self.pg.begin().await?;
                count += webhook_sweep::close_lanes(&mut tx, SWEEP_BATCH).await?;
                count += webhook_sweep::delete_webhooks(&mut tx, before).await?;
                tx.commit().await?;
                Ok::<u64, pg::Error>(count)
            };
            match self.step(batch).await? {
                0 => return Ok(removed),
                count => removed += count,
            }
        }
    }

    /// Cuts off what is older than `before` in the audit log. Returns how many rows went.
    async fn sweep_audit_log(&self, before: DateTime<Utc>) -> Result<u64, pg::Error> {
        let mut removed = 0;
        for chain in 0..CHAINS {
            loop {
                let batch = async {
                    let mut tx = self.pg.begin().await?;
                    let count = audit::cut_off(&mut tx, self.audit.key(), chain, before, SWEEP_BATCH).await?;
                    tx.commit().await?;
                    Ok::<u64, pg::Error>(count)
                };
                match self.step(batch).await? {
                    0 => break,
                    count => removed += count,
                }
            }
        }
        Ok(removed)
    }

    /// Writes to the audit log what was only counted, until the process stops.
    pub async fn follow_repeats(&self, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(REPEATS_EVERY)).await.is_some() {
            match self.step(self.audit.write_repeats()).await {
                Ok(_) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "repeated refusals can't be written to the audit log yet: {error}");
                }
                Err(_) => {}
            }
        }
        self.audit.close_repeats();
        if let Err(error) = self.step(self.audit.write_repeats()).await {
            tracing::warn!(%error, "repeated refusals could not be written to the audit log: {error}");
        }
    }
}
