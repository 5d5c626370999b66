//! Section `[messaging.streams]`.

use std::time::Duration;

use chassis::config::{Fault, Validate, duration};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::within;
use crate::app::events::Terms;

/// Cursors that a client holds while it is away for a day must go on being good.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 3600);
const LONGEST_RETENTION: Duration = Duration::from_secs(3650 * 24 * 3600);
/// What another replica has committed must be told within a second, whether Redis is there or not.
const LONGEST_POLL: Duration = Duration::from_millis(800);

/// `[messaging.streams]`: streams of events.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// A stream on which nothing happens tells this often that it is alive.
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    /// Who takes nothing for so long is cut off.
    #[serde(with = "duration")]
    pub slow_reader: Duration,
    /// Streams that one person may have open on one replica.
    pub max_per_user: usize,
    /// How often the log is looked at when nobody tells that there is something new: what other replicas commit without
    /// Redis is told this late. At most 800ms.
    #[serde(with = "duration")]
    pub poll: Duration,
    /// How long events are kept: an older cursor is CURSOR_EXPIRED. At least 24h.
    #[serde(with = "duration")]
    pub retention: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            slow_reader: Duration::from_secs(30),
            max_per_user: 32,
            poll: Duration::from_millis(400),
            retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

impl Streams {
    /// As the app wants them.
    pub fn terms(&self) -> Terms {
        Terms {
            heartbeat: self.heartbeat,
            slow_reader: self.slow_reader,
            max_per_user: self.max_per_user,
            poll: self.poll,
        }
    }

    /// How long events are kept.
    pub fn retention(&self) -> TimeDelta {
        TimeDelta::from_std(self.retention).unwrap_or(TimeDelta::MAX)
    }
}

impl Validate for Streams {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        let second = Duration::from_secs(1);
        rule((second..=60 * second).contains(&self.heartbeat), "heartbeat", "must be 1s to 1m");
        rule((second..=3600 * second).contains(&self.slow_reader), "slow_reader", "must be 1s to 1h");
        rule((second / 100..=LONGEST_POLL).contains(&self.poll), "poll", "must be 10ms to 800ms");
        rule(
            (SHORTEST_RETENTION..=LONGEST_RETENTION).contains(&self.retention),
            "retention",
            "must be 1day to 3650days",
        );
        within(section, faults, "max_per_user", self.max_per_user, 1..=10_000);
    }
}
