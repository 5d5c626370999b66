//! What is measured of a pool.

use std::time::Instant;

use deadpool::Status;
use deadpool::managed::{PoolError, TimeoutType};
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// The meters of one pool, which the label `pool` names.
pub(crate) struct Meters {
    waits: Histogram,
    timed_out: Counter,
    unreachable: Counter,
    open: Gauge,
    idle: Gauge,
    waiting: Gauge,
    most: Gauge,
}

impl Meters {
    pub fn of(pool: &str) -> Self {
        describe_histogram!(
            "nova_pg_wait_seconds",
            "How long a connection was waited for: for a free one, or to open one"
        );
        describe_counter!("nova_pg_failures_total", "Times that no connection was to be had, by why");
        describe_gauge!("nova_pg_connections_open", "Connections to the database that are open");
        describe_gauge!("nova_pg_connections_idle", "Connections to the database that nobody uses");
        describe_gauge!("nova_pg_callers_waiting", "Callers that wait for a connection");
        describe_gauge!("nova_pg_connections_max", "Most connections that may be open");
        let failures = |why| counter!("nova_pg_failures_total", "pool" => pool.to_owned(), "why" => why);
        Self {
            waits: histogram!("nova_pg_wait_seconds", "pool" => pool.to_owned()),
            timed_out: failures("all_in_use"),
            unreachable: failures("unreachable"),
            open: gauge!("nova_pg_connections_open", "pool" => pool.to_owned()),
            idle: gauge!("nova_pg_connections_idle", "pool" => pool.to_owned()),
            waiting: gauge!("nova_pg_callers_waiting", "pool" => pool.to_owned()),
            most: gauge!("nova_pg_connections_max", "pool" => pool.to_owned()),
        }
    }

    /// A connection was asked for then, and has been had, or not.
    pub fn record<E>(&self, asked: Instant, failure: Option<&PoolError<E>>) {
        self.waits.record(asked.elapsed());
        match failure {
            None => {}
            Some(PoolError::Timeout(TimeoutType::Wait)) => self.timed_out.increment(1),
            Some(_) => self.unreachable.increment(1),
        }
    }

    /// How full the pool is.
    pub fn fill(&self, status: &Status) {
        self.open.set(status.size as f64);
        self.idle.set(status.available as f64);
        self.waiting.set(status.waiting as f64);
        self.most.set(status.max_size as f64);
    }
}
