//! One address of a peer: a connection, its circuit breaker, and how much is under way there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::Channel;

use crate::breaker::{Breaker, Change, Outcome, Ticket};
use crate::meters::{Counted, Meters};

/// Makes channels to an address.
pub(crate) type Connect = Box<dyn Fn() -> Channel + Send + Sync>;

/// See the module.
pub(crate) struct Address {
    /// None: inside this process, or wherever the host of the peer's address leads.
    pub at: Option<SocketAddr>,
    connect: Connect,
    channel: Mutex<Channel>,
    /// None inside this process: who shares our fate is no peer to be protected from.
    breaker: Option<Breaker>,
    in_flight: AtomicUsize,
    meters: Arc<Meters>,
    _counted: Counted,
}

impl Address {
    pub fn new(at: Option<SocketAddr>, connect: Connect, breaker: Option<Breaker>, meters: Arc<Meters>) -> Self {
        let (channel, counted) = (Mutex::new(connect()), Counted::new(&meters.addresses));
        Self { at, connect, channel, breaker, in_flight: AtomicUsize::new(0), meters, _counted: counted }
    }

    /// Calls under way.
    pub fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Lets a call through, or says how long it would have to wait. A call that is given up after `patience` says of the peer
    /// that it doesn't answer.
    ///
    /// # Errors
    /// The wait.
    pub fn admit(self: &Arc<Self>, is_needed: bool, patience: Duration) -> Result<Admission, Duration> {
        let ticket = self.breaker.as_ref().map(|breaker| breaker.admit(is_needed)).transpose()?;
        // Of a connection whose other end has vanished nobody says that it is lost: a new one finds out at once.
        if ticket.is_some_and(|ticket| ticket.is_first_probe()) {
            *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = (self.connect)();
        }
        Ok(self.admitted(ticket, patience))
    }

    /// Lets a call of upkeep through.
    pub fn admit_upkeep(self: &Arc<Self>, patience: Duration) -> Admission {
        self.admitted(self.breaker.as_ref().map(Breaker::admit_upkeep), patience)
    }

    fn admitted(self: &Arc<Self>, ticket: Option<Ticket>, patience: Duration) -> Admission {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Admission { address: Arc::clone(self), ticket, begun: Instant::now(), patience, outcome: None }
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) {
        let Some(breaker) = &self.breaker else { return };
        match breaker.settle(ticket, outcome) {
            Some(Change::Opened) => {
                self.meters.circuits_open.increment(1);
                self.meters.circuits_opened.increment(1);
                tracing::warn!(peer = self.meters.peer, at = ?self.at, "the {} service fails too often", self.meters.peer);
            }
            Some(Change::Closed) => {
                self.meters.circuits_open.decrement(1);
                tracing::info!(peer = self.meters.peer, at = ?self.at, "the {} service answers again", self.meters.peer);
            }
            None => {}
        }
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        if self.breaker.as_ref().is_some_and(Breaker::is_open) {
            self.meters.circuits_open.decrement(1);
        }
    }
}

/// A call on its way to an address. When it is dropped, the breaker learns what it came to.
pub(crate) struct Admission {
    address: Arc<Address>,
    ticket: Option<Ticket>,
    begun: Instant,
    patience: Duration,
    outcome: Option<Outcome>,
}

impl Admission {
    pub fn channel(&self) -> Channel {
        self.address.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn address(&self) -> &Arc<Address> {
        &self.address
    }

    /// Ends with this outcome.
    pub fn settle(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Ends without an answer. That says something of the peer only if it had time: else whoever calls with deadlines that nobody
    /// could keep would cut the peer off for all.
    pub fn give_up(self) {
        drop(self);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.address.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Some(ticket) = self.ticket else { return };
        let had_time = || if self.begun.elapsed() >= self.patience { Outcome::Ill } else { Outcome::Unknown };
        self.address.settle(ticket, self.outcome.unwrap_or_else(had_time));
    }
}
