//! What the auth service counts besides its calls.

use metrics::{Counter, counter, describe_counter, describe_gauge, describe_histogram};

/// The service's own counters.
pub struct Metrics {
    registered: Counter,
    deleted: Counter,
    profile_sync_failed: Counter,
}

impl Metrics {
    /// Describes and makes the counters.
    pub fn register() -> Self {
        describe_counter!("nova_auth_registrations_total", "accounts made");
        describe_counter!("nova_auth_deletions_total", "accounts deleted");
        describe_counter!("nova_auth_logins_total", "log-ins tried, by outcome");
        describe_counter!("nova_auth_refreshes_total", "refresh tokens presented, by outcome");
        describe_counter!(
            "nova_auth_profile_sync_failures_total",
            "times the user service could not be told of an account"
        );
        describe_counter!(
            "nova_webhook_attempts_total",
            "deliveries tried, by outcome: delivered, failed (tried again), given_up, gone (the receiver wants no more)"
        );
        describe_histogram!("nova_webhook_attempt_seconds", "how long trying a delivery took");
        describe_gauge!("nova_webhook_deliveries_in_flight", "deliveries that this process is sending");
        describe_gauge!(
            "nova_webhook_oldest_pending_seconds",
            "age of the oldest delivery that waits for an enabled webhook"
        );
        describe_gauge!("nova_webhooks_disabled", "webhooks that are disabled");
        Self {
            registered: counter!("nova_auth_registrations_total"),
            deleted: counter!("nova_auth_deletions_total"),
            profile_sync_failed: counter!("nova_auth_profile_sync_failures_total"),
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
}
