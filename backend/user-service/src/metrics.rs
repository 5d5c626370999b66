//! What the service counts besides the calls that every service counts.

use metrics::{Counter, counter, describe_counter};

/// The service's counters, registered once.
#[derive(Clone)]
pub struct Metrics {
    announcements_failed: Counter,
    accounts_unreachable: Counter,
    profiles_adopted: Counter,
    profiles_made: Counter,
    profiles_deleted: Counter,
}

impl Metrics {
    /// Registers the counters.
    pub fn register() -> Self {
        describe_counter!(
            "nova_user_contact_announcements_failed_total",
            "Times that the messaging service was not told in time who may write to whom"
        );
        describe_counter!(
            "nova_user_accounts_unreachable_total",
            "Questions about an account that the auth service did not answer"
        );
        describe_counter!("nova_user_profiles_adopted_total", "Profiles made because somebody asked for them first");
        describe_counter!(
            "nova_user_profiles_made_total",
            "Profiles made because the auth service announced an account"
        );
        describe_counter!("nova_user_profiles_deleted_total", "Profiles deleted because an account ended");
        Self {
            announcements_failed: counter!("nova_user_contact_announcements_failed_total"),
            accounts_unreachable: counter!("nova_user_accounts_unreachable_total"),
            profiles_adopted: counter!("nova_user_profiles_adopted_total"),
            profiles_made: counter!("nova_user_profiles_made_total"),
            profiles_deleted: counter!("nova_user_profiles_deleted_total"),
        }
    }

    /// The messaging service was not told, or not done, in time after a contact changed. Another process finds out by itself
    /// within a second; in one process the block was answered UNAVAILABLE.
    pub fn announcement_failed(&self) {
        self.announcements_failed.increment(1);
    }

    /// The auth service did not answer a question about an account.
    pub fn accounts_unreachable(&self) {
        self.accounts_unreachable.increment(1);
    }

    /// A profile was made because somebody asked for it before the auth service had announced it.
    pub fn profile_adopted(&self) {
        self.profiles_adopted.increment(1);
    }

    /// The auth service announced an account.
    pub fn profile_made(&self) {
        self.profiles_made.increment(1);
    }

    /// An account ended.
    pub fn profile_deleted(&self) {
        self.profiles_deleted.increment(1);
    }
}
