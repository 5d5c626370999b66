//! What calls to a peer may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fault, Validate, duration};

/// `[<service>.peers.bounds]`: what calls to each peer may cost (docs/PEERS.md).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeerBounds {
    /// Calls to a peer under way at once; more wait for their turn.
    pub max_in_flight: usize,
    /// How long a call waits for its turn; then it fails with UNAVAILABLE.
    #[serde(with = "duration")]
    pub max_wait: Duration,
    /// Connections to a peer at once, each to another of the addresses that its name has.
    pub max_connections: usize,
    /// How often a peer's name is looked up again, besides whenever a connection is lost.
    #[serde(with = "duration")]
    pub resolve_every: Duration,
    /// Retries for each hundred calls to a peer, beyond one a second; at most 100.
    pub retry_percent: u32,
    /// Failures in a row after which an address is left alone for a moment.
    pub break_after: u32,
    /// The longest such moment, where no other address is better. At most 1s: what a block or the end of a session changes must
    /// be asked for again within a second after the peer has come back.
    #[serde(with = "duration")]
    pub open_at_most: Duration,
}

impl PeerBounds {
    /// As crate `rpc` wants it.
    pub fn bounds(&self) -> rpc::Bounds {
        rpc::Bounds {
            max_in_flight: self.max_in_flight,
            max_wait: self.max_wait,
            max_connections: self.max_connections,
            resolve_every: self.resolve_every,
            retry_percent: self.retry_percent,
            break_after: self.break_after,
            open_at_most: self.open_at_most,
        }
    }
}

impl Default for PeerBounds {
    fn default() -> Self {
        let rpc::Bounds {
            max_in_flight,
            max_wait,
            max_connections,
            resolve_every,
            retry_percent,
            break_after,
            open_at_most,
        } = rpc::Bounds::default();
        Self { max_in_flight, max_wait, max_connections, resolve_every, retry_percent, break_after, open_at_most }
    }
}

impl Validate for PeerBounds {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        rule(self.max_in_flight > 0, "max_in_flight", "must be at least 1");
        rule((1..=100).contains(&self.max_connections), "max_connections", "must be 1 to 100");
        rule(self.resolve_every >= Duration::from_secs(1), "resolve_every", "must be at least 1s");
        rule(self.retry_percent <= 100, "retry_percent", "must be at most 100");
        rule(self.break_after > 0, "break_after", "must be at least 1");
        let moment = Duration::from_millis(10)..=Duration::from_secs(1);
        rule(moment.contains(&self.open_at_most), "open_at_most", "must be 10ms to 1s");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_by_its_key() {
        let none = Duration::ZERO;
        let bounds = PeerBounds {
            max_in_flight: 0,
            max_wait: none,
            max_connections: 0,
            resolve_every: none,
            retry_percent: 101,
            break_after: 0,
            open_at_most: Duration::from_secs(2),
        };
        let mut faults = vec![];
        bounds.validate("user.peers.bounds", &mut faults);
        let keys: Vec<_> = faults.iter().filter_map(|fault| fault.key.strip_prefix("user.peers.bounds.")).collect();
        let expected =
            ["max_in_flight", "max_connections", "resolve_every", "retry_percent", "break_after", "open_at_most"];
        assert_eq!(keys, expected);
    }
}
