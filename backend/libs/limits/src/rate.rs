//! A rate as people write it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::gcra::Quota;

/// Calls in a burst, and in a period, at most.
const MOST: u32 = 1_000_000;
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);
/// What a bucket takes until it is empty again at most: longer would be a lock, not a limit.
const LONGEST_TOLERANCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Between two calls at least; Redis counts in microseconds.
const SHORTEST_INTERVAL: Duration = Duration::from_micros(1);

/// How many calls in which time, and how many at once: `10/min burst 20`; or `off`. Without a burst it is the number of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Option<Steady>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Steady {
    calls: u32,
    period: Duration,
    burst: u32,
}

/// A text that is no rate.
#[derive(Debug, thiserror::Error)]
#[error("must be a rate such as 100/s, 10/min burst 20 or 3/15min, or off")]
pub struct BadRate;

impl Rate {
    /// No limit.
    pub const OFF: Self = Self(None);

    /// So many calls a second.
    pub const fn per_second(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(1))
    }

    /// So many calls a minute.
    pub const fn per_minute(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(60))
    }

    /// So many calls in a time. For constants: what people write is checked by [`FromStr`].
    pub const fn per(calls: u32, period: Duration) -> Self {
        Self(Some(Steady { calls, period, burst: calls }))
    }

    /// The same with another burst.
    #[must_use]
    pub const fn burst(self, burst: u32) -> Self {
        match self.0 {
            Some(steady) => Self(Some(Steady { burst, ..steady })),
            None => self,
        }
    }

    pub(crate) fn quota(self) -> Option<Quota> {
        self.0.map(|steady| {
            let interval = steady.interval();
            Quota { interval, tolerance: interval.saturating_mul(u64::from(steady.burst)) }
        })
    }
}

impl Steady {
    /// Nanoseconds, rounded up so that no more is let through than was written.
    fn interval(&self) -> u64 {
        let nanos = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        nanos.div_ceil(u64::from(self.calls.max(1)))
    }

    fn is_sound(&self) -> bool {
        let interval = Duration::from_nanos(self.interval());
        (1..=MOST).contains(&self.calls)
            && (1..=MOST).contains(&self.burst)
            && self.period <= LONGEST_PERIOD
            && interval >= SHORTEST_INTERVAL
            && interval.checked_mul(self.burst).is_some_and(|whole| whole <= LONGEST_TOLERANCE)
    }
}

impl FromStr for Rate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        let text = text.trim();
        if text == "off" {
            return Ok(Self::OFF);
        }
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(burst.trim().parse().map_err(|_| BadRate)?)),
            None => (text, None),
        };
        let (calls, period) = rate.split_once('/').ok_or(BadRate)?;
        let (calls, period) = (calls.trim().parse().map_err(|_| BadRate)?, period.trim());
        let one = if period.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1" };
        let period = humantime::parse_duration(&format!("{one}{period}")).map_err(|_| BadRate)?;
        let steady = Steady { calls, period, burst: burst.unwrap_or(calls) };
        if steady.is_sound() { Ok(Self(Some(steady))) } else { Err(BadRate) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Steady { calls, period, burst }) = self.0 else { return f.write_str("off") };
        write!(f, "{calls}/{}", humantime::format_duration(period))?;
        if burst == calls { Ok(()) } else { write!(f, " burst {burst}") }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, rate) in [
            ("100/s", Rate::per_second(100)),
            ("10/min burst 20", Rate::per_minute(10).burst(20)),
            ("3/15min", Rate::per(3, Duration::from_secs(900))),
            (" 1 / h ", Rate::per(1, Duration::from_secs(3600))),
            ("off", Rate::OFF),
        ] {
            assert_eq!(text.parse::<Rate>().expect(text), rate);
            assert_eq!(rate.to_string().parse::<Rate>().expect(text), rate, "{rate}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "on",
            "100",
            "0/s",
            "-1/s",
            "1/s burst 0",
            "1/",
            "1/0s",
            "1/parsec",
            "1/2days",
            "1/day burst 31",
            "1000000/ms",
            "1000001/s",
            "1/s burst",
            "9999999999999999999/s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
