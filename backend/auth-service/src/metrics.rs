//! What the auth service counts besides its calls.

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// The service's own counters.
pub struct Metrics {
    registered: Counter,
    deleted: Counter,
    profile_sync_failed: Counter,
    mails_sent: Counter,
    mails_repeated: Counter,
    mails_given_up: Counter,
    audit_faults: Gauge,
    audit_checked: Gauge,
    audit_check_failed: Counter,
    key_age: Gauge,
}

impl Metrics {
    /// Describes and makes the counters.
    pub fn register() -> Self {
        describe();
        let mails = |outcome| counter!("nova_mails_total", "outcome" => outcome);
        for outcome in ["delivered", "failed", "given_up", "gone"] {
            let _ = counter!("nova_webhook_attempts_total", "outcome" => outcome);
        }
        let _ = histogram!("nova_webhook_attempt_seconds");
        for gauge in
            ["nova_webhook_deliveries_in_flight", "nova_webhook_oldest_pending_seconds", "nova_webhooks_disabled"]
        {
            let _ = gauge!(gauge);
        }
        for outcome in ["ok", "invalid_credentials", "locked", "limited", "totp", "disabled", "error"] {
            let _ = counter!("nova_auth_logins_total", "outcome" => outcome);
        }
        for outcome in ["ok", "reused", "refused", "error"] {
            let _ = counter!("nova_auth_refreshes_total", "outcome" => outcome);
        }
        Self {
            registered: counter!("nova_auth_registrations_total"),
            deleted: counter!("nova_auth_deletions_total"),
            profile_sync_failed: counter!("nova_auth_profile_sync_failures_total"),
            mails_sent: mails("sent"),
            mails_repeated: mails("repeated"),
            mails_given_up: mails("given_up"),
            audit_faults: gauge!("nova_audit_faults"),
            audit_checked: gauge!("nova_audit_checked_timestamp_seconds"),
            audit_check_failed: counter!("nova_audit_checks_failed_total"),
            key_age: gauge!("nova_auth_signing_key_age_seconds"),
        }
    }

    /// An account was made.
    pub fn registered(&self) {
        self.registered.increment(1);
    }

    /// An account was deleted.
    pub fn deleted(&self) {
        self.deleted.increment(1);
    }

    /// A log-in was tried.
    pub fn logged_in(&self, outcome: &'static str) {
        counter!("nova_auth_logins_total", "outcome" => outcome).increment(1);
    }

    /// A refresh token was presented.
    pub fn refreshed(&self, outcome: &'static str) {
        counter!("nova_auth_refreshes_total", "outcome" => outcome).increment(1);
    }

    /// The user service could not be told of an account.
    pub fn profile_sync_failed(&self) {
        self.profile_sync_failed.increment(1);
    }

    /// A mail was sent.
    pub fn mail_sent(&self) {
        self.mails_sent.increment(1);
    }

    /// A mail could not be sent and will be tried again.
    pub fn mail_repeated(&self) {
        self.mails_repeated.increment(1);
    }

    /// A mail could not be sent and will not be tried again.
    pub fn mail_given_up(&self) {
        self.mails_given_up.increment(1);
    }

    /// The audit log is known to have so many faults; nothing is known of what came after that time.
    pub fn audit_checked(&self, faults: usize, at: DateTime<Utc>) {
        self.audit_faults.set(faults as f64);
        self.audit_checked.set(at.timestamp() as f64);
    }

    /// The audit log could not be walked.
    pub fn audit_check_failed(&self) {
        self.audit_check_failed.increment(1);
    }

    /// The key that tokens are signed with has been in force for so long.
    pub fn signing_key_age(&self, age: TimeDelta) {
        self.key_age.set(age.as_seconds_f64().max(0.0));
    }
}

fn describe() {
    describe_counter!("nova_auth_registrations_total", "Accounts made");
    describe_counter!("nova_auth_deletions_total", "Accounts deleted");
    describe_counter!("nova_auth_logins_total", "Log-ins tried, by outcome");
    describe_counter!("nova_auth_refreshes_total", "Refresh tokens presented, by outcome");
    describe_counter!(
        "nova_auth_profile_sync_failures_total",
        "Times the user service could not be told of an account"
    );
    describe_gauge!(
        "nova_auth_signing_key_age_seconds",
        "How long the key that tokens are signed with has been in force"
    );
    describe_gauge!(
        "nova_audit_faults",
        "Rows of the audit log that were changed, added or removed by hand, at the last look"
    );
    describe_gauge!(
        "nova_audit_checked_timestamp_seconds",
        "When the audit log was last proved by this process, in Unix time; 0 before the first time"
    );
    describe_counter!(
        "nova_audit_checks_failed_total",
        "Times that the audit log could not be proved, as of a database that is away"
    );
    describe_counter!("nova_mails_total", "Mails: sent, repeated (could not be sent, tried again), given_up");
    describe_counter!(
        "nova_webhook_attempts_total",
        "Deliveries tried, by outcome: delivered, failed (tried again), given_up, gone (the receiver wants no more)"
    );
    describe_histogram!("nova_webhook_attempt_seconds", "How long trying a delivery took");
    describe_gauge!("nova_webhook_deliveries_in_flight", "Deliveries that this process is sending");
    describe_gauge!(
        "nova_webhook_oldest_pending_seconds",
        "Age of the oldest delivery that waits for an enabled webhook"
    );
    describe_gauge!("nova_webhooks_disabled", "Webhooks that are disabled");
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn what_was_not_looked_at_is_not_said_to_be_proved() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = metrics::with_local_recorder(&recorder, Metrics::register);
        let says = |line: &str| recorder.handle().render().lines().any(|l| l == line);
        assert!(says("nova_audit_checked_timestamp_seconds 0") && says("nova_audit_checks_failed_total 0"));
        metrics.audit_check_failed();
        assert!(says("nova_audit_checked_timestamp_seconds 0") && says("nova_audit_checks_failed_total 1"));
        metrics.audit_checked(0, DateTime::from_timestamp(1_000, 0).expect("a time"));
        assert!(says("nova_audit_checked_timestamp_seconds 1000"));
    }
}
