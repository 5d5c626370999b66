//! Proves the audit log again and again, so that who changes it by hand is found out without anybody asking.

use std::time::Duration;

use pg::request::InRequest;
use tokio::time::{sleep, timeout};

use super::App;
use crate::model::audit_chain::Checkpoint;
use crate::verify::{Report, verify_with};

/// After a start there is better to do, and a service that starts again and again must not read its log each time.
const FIRST_AFTER: Duration = Duration::from_secs(5 * 60);
/// After a look that failed the next is not put off for as long as after one that did not.
const AGAIN_AFTER: Duration = Duration::from_secs(30 * 60);
/// How long a look may take; whoever holds a connection for longer waits for a database that is gone.
const LOOK_WITHIN: Duration = Duration::from_secs(60 * 60);

impl App {
    /// Walks the whole log from time to time, for ever, and tells the metrics and the log of what is wrong. Each replica does:
    /// what one remembers of the chains' ends, nobody can set back.
    pub async fn watch_audit_log(&self) {
        let every = self.config.audit.verify_every;
        let mut noted: Option<Checkpoint> = None;
        sleep(every.min(FIRST_AFTER)).await;
        loop {
            let at = self.clock.now();
            match self.look_at_audit_log(noted.as_ref()).await {
                Ok(report) => {
                    self.metrics.audit_checked(report.faults.len(), at);
                    for fault in &report.faults {
                        tracing::error!(%fault, "the audit log was changed by hand: {fault}");
                    }
                    // What was removed from the end stays missing as long as it is looked for.
                    if report.faults.is_empty() {
                        noted = Some(report.checkpoint);
                    }
                    sleep(every).await;
                }
                Err(error) => {
                    self.metrics.audit_check_failed();
                    tracing::warn!(%error, "the audit log could not be proved: {error}");
                    sleep(every.min(AGAIN_AFTER)).await;
                }
            }
        }
    }

    async fn look_at_audit_log(&self, noted: Option<&Checkpoint>) -> Result<Report, pg::Error> {
        // As a call is polled: a connection in the middle of a query must not go back to the pool.
        let looking = InRequest::new(async {
            let mut conn = self.pg.conn().await?;
            verify_with(&mut conn, self.audit.key(), noted).await
        });
        timeout(LOOK_WITHIN, looking).await.unwrap_or_else(|elapsed| Err(pg::Error::Unavailable(elapsed.into())))
    }
}
