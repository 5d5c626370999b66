//! The one source of wall-clock time.
//!
//! Everything that compares, stores or prints a time takes it from a [`Clock`], so that a test can move time instead of
//! waiting for it; clippy bans the other ways. Times are cut to microseconds, the precision of PostgreSQL's `timestamptz`,
//! so that a value is equal to itself after a round trip through the database.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};

/// What [`Clock::elapsed`] counts from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tells the time. Cheap to clone; clones of a mock share its hands.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `start` until its [`MockClock`] moves it.
    pub fn mock(start: DateTime<Utc>) -> (Self, MockClock) {
        let hands = Arc::new(AtomicI64::new(start.timestamp_micros()));
        (Self(Some(Arc::clone(&hands))), MockClock(hands))
    }

    /// The current time in UTC, cut to microseconds.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
            None => Utc::now().trunc_subsecs(6),
            Some(hands) => DateTime::from_timestamp_micros(hands.load(Ordering::SeqCst))
                .expect("a mock clock is only ever set from a valid time"),
        }
    }

    /// Time since a moment that is fixed for the life of the process, and that means nothing else. It never goes back,
    /// whatever is done to the machine's clock: for how long something takes, not for when it was.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            None => START.elapsed(),
            Some(hands) => Duration::from_micros(hands.load(Ordering::SeqCst).try_into().unwrap_or(0)),
        }
    }
}

/// Moves the hands of a mock [`Clock`].
#[derive(Clone, Debug)]
pub struct MockClock(Arc<AtomicI64>);

impl MockClock {
    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("tests move time by less than 292,000 years");
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

/// Writes a time as the API shows it: RFC 3339, UTC, microseconds, `Z`.
///
/// ```
/// let t = chrono::DateTime::from_timestamp_micros(1_795_435_200_123_456).unwrap();
/// assert_eq!(clock::rfc3339(t), "2026-11-23T12:00:00.123456Z");
/// ```
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mock_clock_moves_only_when_told() {
        let start = DateTime::from_timestamp_micros(1_000_000).expect("valid");
        let (clock, hands) = Clock::mock(start);
        assert_eq!(clock.now(), start);
        hands.advance(Duration::from_millis(1500));
        assert_eq!(rfc3339(clock.clone().now()), "1970-01-01T00:00:02.500000Z");
        assert_eq!(clock.elapsed(), Duration::from_millis(2500));
    }

    #[test]
    fn elapsed_time_goes_on() {
        let clock = Clock::system();
        let before = clock.elapsed();
        assert!(clock.elapsed() >= before);
    }
}
