//! The addresses of a peer, looked up again and again: replicas that appear get calls, and those that go are let go when what
//! is under way there has ended.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;

use crate::address::{Address, Admission};
use crate::breaker::Breaker;
use crate::fault::Fault;
use crate::meters::{Counted, Meters};
use crate::{Bounds, Dial, Resolver, dial, dice};

/// How long a look-up may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two look-ups at least.
const REST: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Addresses {
    known: watch::Receiver<Known>,
    look: Arc<Notify>,
    /// Who looks names up; nobody where there is nothing to look up.
    looking: Option<AbortHandle>,
}

#[derive(Clone)]
enum Known {
    /// The name is being looked up for the first time.
    NotYet,
    /// It could not be looked up.
    Nowhere,
    /// Never empty.
    At(Arc<[Arc<Address>]>),
}

impl Addresses {
    /// Of the peer at `uri`. Its name is looked up from now on, in a task of its own.
    pub fn new(
        uri: &Uri,
        endpoint: Endpoint,
        dial: Dial,
        bounds: &Bounds,
        resolver: Resolver,
        meters: Arc<Meters>,
    ) -> Self {
        let look = Arc::new(Notify::new());
        let maker = Maker { endpoint, dial, bounds: bounds.clone(), meters, look: Arc::clone(&look) };
        let fixed = match (&maker.dial, dial::host(uri).parse::<IpAddr>()) {
            (Dial::Inside(_), _) => Some(None),
            (_, Ok(ip)) => Some(Some(SocketAddr::new(ip, dial::port(uri)))),
            (_, Err(_)) => None,
        };
        if let Some(at) = fixed {
            let known = watch::Sender::new(Known::At([maker.make(at)].into())).subscribe();
            return Self { known, look, looking: None };
        }
        let (tell, known) = watch::channel(Known::NotYet);
        let (host, port) = (dial::host(uri).to_owned(), dial::port(uri));
        let looking = tokio::spawn(follow(resolver, host, port, maker, tell)).abort_handle();
        Self { known, look, looking: Some(looking) }
    }

    /// A way to the peer: to the address with the fewest calls under way of those that have not been `tried` and whose circuit
    /// is closed.
    ///
    /// # Errors
    /// If the name can't be looked up, or no circuit lets a call through.
    pub async fn admit(&self, tried: &[Arc<Address>], is_upkeep: bool, patience: Duration) -> Result<Admission, Fault> {
        let mut known = self.known.clone();
        // Who looks up lives as long as this.
        let known = known.wait_for(|known| !matches!(known, Known::NotYet)).await.map_err(|_| Fault::Nowhere)?.clone();
        let Known::At(all) = known else {
            self.look.notify_one();
            return Err(Fault::Nowhere);
        };
        let first = if all.len() > 1 { usize::try_from(dice::number() % all.len() as u64).unwrap_or(0) } else { 0 };
        let mut order: Vec<&Arc<Address>> = all[first..].iter().chain(&all[..first]).collect();
        let is_tried = |address: &Arc<Address>| tried.iter().any(|tried| Arc::ptr_eq(tried, address));
        order.sort_by_key(|address| (is_tried(address), address.load()));
        let mut wait = Duration::MAX;
        for is_needed in [false, true] {
            for address in &order {
                match address.admit(is_needed, patience) {
                    Ok(admission) => return Ok(admission),
                    Err(left) => wait = wait.min(left),
                }
            }
        }
        if is_upkeep { Ok(order[0].admit_upkeep(patience)) } else { Err(Fault::Open(wait)) }
    }

    /// Whether there is another address than those tried.
    pub fn has_other_than(&self, tried: &[Arc<Address>]) -> bool {
        match &*self.known.borrow() {
            Known::At(all) => all.iter().any(|address| !tried.iter().any(|tried| Arc::ptr_eq(tried, address))),
            Known::NotYet | Known::Nowhere => false,
        }
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

/// Makes addresses of a peer.
struct Maker {
    endpoint: Endpoint,
    dial: Dial,
    bounds: Bounds,
    meters: Arc<Meters>,
    look: Arc<Notify>,
}

impl Maker {
    fn make(&self, at: Option<SocketAddr>) -> Arc<Address> {
        let (meters, look) = (Arc::clone(&self.meters), Arc::clone(&self.look));
        let landed = move || (Counted::new(&meters.connections), LookAgain(Arc::clone(&look)));
        let (dial, endpoint) = (self.dial.clone(), self.endpoint.clone());
        let connect = Box::new(move || dial.clone().channel(&endpoint, at, landed.clone()));
        let breaker = || Breaker::new(self.bounds.break_after, self.bounds.open_at_most);
        let breaker = (!matches!(self.dial, Dial::Inside(_))).then(breaker);
        Arc::new(Address::new(at, connect, breaker, Arc::clone(&self.meters)))
    }
}

/// Has the name looked up again when it is dropped: when a connection is lost, the peer may have moved.
struct LookAgain(Arc<Notify>);

impl Drop for LookAgain {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Looks the name up for ever. What is known holds while it can't be.
async fn follow(resolver: Resolver, host: String, port: u16, maker: Maker, tell: watch::Sender<Known>) {
    let salt = dice::number();
    loop {
        match timeout(LOOKUP_TIMEOUT, resolver.resolve(&host, port)).await {
            Ok(Ok(found)) if !found.is_empty() => {
                let chosen = choose(found, maker.bounds.max_connections, salt);
                tell.send_if_modified(|known| update(known, &chosen, &maker));
            }
            failed => {
                tracing::debug!(?failed, "{host} can't be looked up");
                tell.send_if_modified(|known| match known {
                    Known::NotYet => {
                        *known = Known::Nowhere;
                        true
                    }
                    Known::Nowhere | Known::At(_) => false,
                });
            }
        }
        sleep(REST).await;
        let _ = timeout(maker.bounds.resolve_every.saturating_sub(REST), maker.look.notified()).await;
    }
}

/// So many at most. Which, differs from process to process, so that together they call all; and for one process it stays the
/// same whatever others come and go.
fn choose(mut found: Vec<SocketAddr>, most: usize, salt: u64) -> Vec<SocketAddr> {
    found.sort_by_cached_key(|address| {
        let mut hasher = DefaultHasher::new();
        (salt, address).hash(&mut hasher);
        (hasher.finish(), *address)
    });
    found.dedup();
    found.truncate(most);
    found
}

/// Keeps what is still there, adds what is new, lets go of the rest.
fn update(known: &mut Known, chosen: &[SocketAddr], maker: &Maker) -> bool {
    let old: Arc<[Arc<Address>]> = match known {
        Known::At(all) => Arc::clone(all),
        Known::NotYet | Known::Nowhere => [].into(),
    };
    if old.len() == chosen.len() && old.iter().zip(chosen).all(|(old, at)| old.at == Some(*at)) {
        return false;
    }
    let keep = |at: &SocketAddr| old.iter().find(|old| old.at == Some(*at)).cloned();
    *known = Known::At(chosen.iter().map(|at| keep(at).unwrap_or_else(|| maker.make(Some(*at)))).collect());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_many_addresses_is_stable_and_differs_between_processes() {
        let all: Vec<SocketAddr> = (0..50).map(|n| SocketAddr::from(([10, 0, 0, n], 80))).collect();
        let twice: Vec<SocketAddr> = all.iter().chain(&all).copied().collect();
        let mine = choose(twice, 8, 1);
        assert_eq!(mine.len(), 8);
        let gone = mine[3];
        let left = choose(all.iter().copied().filter(|address| *address != gone).collect(), 8, 1);
        assert_eq!(mine.iter().filter(|address| left.contains(address)).count(), 7);
        let together: std::collections::HashSet<_> = (0..100).flat_map(|salt| choose(all.clone(), 8, salt)).collect();
        assert_eq!(together.len(), 50);
    }
}
