//! What is measured of the calls to a peer.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tonic::Code;

/// The meters of one peer; docs/PEERS.md says what each means.
pub(crate) struct Meters {
    pub peer: &'static str,
    /// Of its address.
    pub host: String,
    outcomes: [Counter; 17],
    duration: Histogram,
    pub in_flight: Gauge,
    pub connections: Gauge,
    pub addresses: Gauge,
    pub circuits_open: Gauge,
    pub circuits_opened: Counter,
    pub retries: Counter,
    pub retries_refused: Counter,
    pub refused_open: Counter,
    pub refused_full: Counter,
}

impl Meters {
    pub fn of(peer: &'static str, host: &str) -> Self {
        describe();
        let outcome = |code: usize| {
            let code = Code::from_i32(i32::try_from(code).expect("codes are small"));
            counter!("nova_peer_calls_total", "peer" => peer, "code" => format!("{code:?}"))
        };
        let refused = |why: &'static str| counter!("nova_peer_refused_total", "peer" => peer, "why" => why);
        Self {
            peer,
            host: host.to_owned(),
            outcomes: std::array::from_fn(outcome),
            duration: histogram!("nova_peer_duration_seconds", "peer" => peer),
            in_flight: gauge!("nova_peer_in_flight", "peer" => peer),
            connections: gauge!("nova_peer_connections", "peer" => peer),
            addresses: gauge!("nova_peer_addresses", "peer" => peer),
            circuits_open: gauge!("nova_peer_circuits_open", "peer" => peer),
            circuits_opened: counter!("nova_peer_circuits_opened_total", "peer" => peer),
            retries: counter!("nova_peer_retries_total", "peer" => peer),
            retries_refused: counter!("nova_peer_retries_refused_total", "peer" => peer),
            refused_open: refused("circuit"),
            refused_full: refused("full"),
        }
    }

    /// A call is over.
    pub fn record(&self, code: Code, took: Duration) {
        self.outcomes[code as usize].increment(1);
        self.duration.record(took);
    }
}

fn describe() {
    describe_counter!("nova_peer_calls_total", "Calls to a peer that are over, by gRPC code, after retries");
    describe_histogram!(
        "nova_peer_duration_seconds",
        "How long calls to a peer took, waits and retries included; of streams, until they began"
    );
    describe_gauge!("nova_peer_in_flight", "Calls to a peer that are under way");
    describe_gauge!("nova_peer_connections", "Connections to a peer that are open");
    describe_gauge!("nova_peer_addresses", "Addresses of a peer that are called");
    describe_gauge!("nova_peer_circuits_open", "Addresses of a peer that are left alone because calls to them fail");
    describe_counter!("nova_peer_circuits_opened_total", "Times that an address of a peer was left alone");
    describe_counter!("nova_peer_retries_total", "Calls to a peer that were tried again");
    describe_counter!("nova_peer_retries_refused_total", "Retries that the peer's budget refused");
    describe_counter!(
        "nova_peer_refused_total",
        "Calls not made: the circuit was open, or as many as may be under way"
    );
}

/// Counts one more in a gauge until it is dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub fn new(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
