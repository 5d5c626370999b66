//! What tests start instead of mocking: a private PostgreSQL, a database for each test, tokens, a proxy that cuts connections.
//!
//! Nothing has to be set up by hand. `NOVA_TEST_PG` (a `postgres://` address whose user may create databases) makes tests
//! use a server that runs already; otherwise each test process starts its own with the programs found on the machine.

mod certificates;
mod client;
mod collector;
mod database;
mod dice;
mod event_log;
mod eventually;
mod example;
mod kafka;
mod proxy;
mod redis;
mod status;
mod tokens;

pub use certificates::Certificates;
pub use client::{As, Authorized, channel};
pub use collector::{Collector, Manners, SeenSpan};
pub use database::TestDatabase;
pub use dice::Dice;
pub use event_log::EventLog;
pub use eventually::eventually;
pub use example::assert_every_key;
pub use kafka::KafkaBroker;
pub use proxy::{ChaosProxy, Upstream};
pub use redis::{Overheard, TestRedis};
pub use status::{assert_reason, check_status};
pub use tokens::{AUDIENCE, ISSUER, Tokens};

use chrono::{DateTime, Utc};
use clock::{Clock, MockClock};

/// A clock that stands at noon of a fixed day until it is moved.
pub fn mock_clock() -> (Clock, MockClock) {
    let noon: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().expect("a valid time");
    Clock::mock(noon)
}
