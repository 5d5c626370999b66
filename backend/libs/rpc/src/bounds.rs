//! What calls to one peer may cost.

use std::time::Duration;

/// Bounds of the calls to one peer. docs/adr/0014 says why the defaults are what they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Calls under way at once; more wait for their turn.
    pub max_in_flight: usize,
    /// How long a call waits for its turn, within its deadline; then it fails with UNAVAILABLE.
    pub max_wait: Duration,
    /// Connections at once, each to another address of the peer.
    pub max_connections: usize,
    /// How often the peer's name is looked up again. A connection that is lost makes it be looked up at once.
    pub resolve_every: Duration,
    /// Retries for each hundred calls, beyond one a second.
    pub retry_percent: u32,
    /// Failures in a row that break the circuit to an address.
    pub break_after: u32,
    /// How long a broken circuit may keep the peer from being tried where no address of it is better.
    pub open_at_most: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_in_flight: 256,
            max_wait: Duration::from_millis(50),
            max_connections: 8,
            resolve_every: Duration::from_secs(30),
            retry_percent: 10,
            break_after: 5,
            open_at_most: Duration::from_secs(1),
        }
    }
}
