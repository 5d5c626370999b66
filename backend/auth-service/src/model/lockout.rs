//! When failed log-ins lock an account.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How many failures in a row lock the log-in, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failures in a row that lock.
    pub max_attempts: i32,
    /// How long the lock lasts.
    pub duration: Duration,
    /// A failure this long after the one before is the first of a new row. Failures with unknown names are forgotten
    /// then too, and the same rule for known names keeps the two alike.
    pub forget_after: Duration,
}

/// Where an account (or an unknown name) stands after an attempt was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Failures in a row, the attempt that was just counted included.
    pub failed_attempts: i32,
    /// Until when log-in is locked.
    pub locked_until: Option<DateTime<Utc>>,
    /// Whether the attempt was counted, and so may be tried; not so while locked.
    pub admitted: bool,
}

impl Standing {
    /// How long the lock still lasts; at least a second, since "now" is not what a client should be told.
    pub fn wait(&self, now: DateTime<Utc>) -> Duration {
        remaining(self.locked_until, now)
    }
}

/// How long a lock still lasts; at least a second.
pub fn remaining(locked_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let left = locked_until.and_then(|until| (until - now).to_std().ok()).unwrap_or_default();
    left.max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_nothing() {
        let now = DateTime::from_timestamp(1_000, 0).expect("valid");
        let until = |s| Some(DateTime::from_timestamp(s, 0).expect("valid"));
        assert_eq!(remaining(until(1_900), now), Duration::from_secs(900));
        assert_eq!(remaining(until(900), now), Duration::from_secs(1));
        assert_eq!(remaining(None, now), Duration::from_secs(1));
    }
}
