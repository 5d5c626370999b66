//! The memory itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use moka::ops::compute::Op;

use crate::Meter;
use crate::generations::Generations;

/// For how long and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How old something may be when it is served, counted from before it was read. Zero: nothing is remembered.
    pub max_age: Duration,
    /// Entries that are remembered at once; those that were used least are forgotten first.
    pub capacity: u64,
}

/// Something whose versions do not fall.
pub trait Record: Send + Sync + 'static {
    /// The record's version. One that is remembered is not replaced by a lower one. A record without versions says 0.
    fn version(&self) -> i64;
}

/// Says before what a record was read. Taken before the read, shown when its answer is to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    generation: u64,
    asked_at: Instant,
}

struct Remembered<V> {
    value: Arc<V>,
    ticket: Ticket,
}

impl<V> Clone for Remembered<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ticket: self.ticket }
    }
}

type Landed<V, E> = Result<Option<Arc<V>>, Arc<E>>;
/// A read that many wait for. It ends when nobody does any more.
type Flight<V, E> = Shared<BoxFuture<'static, Landed<V, E>>>;

struct Airborne<V, E> {
    ticket: Ticket,
    flight: WeakShared<BoxFuture<'static, Landed<V, E>>>,
}

/// A memory of records `V` by keys `K`, whose reads fail with `E`. Cheap to clone.
pub struct Cache<K, V, E>(Arc<Inner<K, V, E>>);

struct Inner<K, V, E> {
    max_age: Duration,
    entries: moka::sync::Cache<K, Remembered<V>>,
    generations: Generations,
    flights: Mutex<HashMap<K, Airborne<V, E>>>,
    meter: Meter,
}

impl<K, V, E> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V, E> Cache<K, V, E>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Record,
    E: Send + Sync + 'static,
{
    /// An empty memory that counts under this name.
    pub fn new(name: &'static str, terms: Terms) -> Self {
        let entries = moka::sync::Cache::builder().max_capacity(terms.capacity).time_to_live(terms.max_age).build();
        Self(Arc::new(Inner {
            max_age: terms.max_age,
            entries,
            generations: Generations::new(),
            flights: Mutex::default(),
            meter: Meter::new(name),
        }))
    }

    /// What is remembered of `key`.
    pub fn get(&self, key: K) -> Option<Arc<V>> {
        let known = self.0.entries.get(&key).filter(|known| self.is_current(key, known.ticket));
        let served = known.and_then(|known| {
            let age = known.ticket.asked_at.elapsed();
            (age < self.0.max_age).then_some((known.value, age))
        });
        match served {
            Some((value, age)) => {
                self.0.meter.hit_of_age(age);
                Some(value)
            }
            None => {
                self.0.meter.miss();
                None
            }
        }
    }

    /// What is remembered of `key`, else what `read` finds, which is remembered then. Whoever comes while it is being read waits
    /// for the same answer, unless the key was forgotten meanwhile or the read has taken longer than anything may be old. The
    /// read goes on as long as anybody waits for it.
    ///
    /// # Errors
    /// That of `read`, for all who waited for it.
    pub async fn get_or_read<F>(&self, key: K, read: impl FnOnce() -> F) -> Landed<V, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        match self.get(key) {
            Some(value) => Ok(Some(value)),
            None => self.flight(key, read).await,
        }
    }

    /// To be taken before a record is read whose answer is [`put`](Self::put).
    pub fn ticket(&self, key: K) -> Ticket {
        Ticket { generation: self.0.generations.current(&key), asked_at: Instant::now() }
    }

    /// Remembers what was read after `ticket` was taken, unless the key was forgotten since or something newer is remembered.
    pub fn put(&self, key: K, ticket: Ticket, value: Arc<V>) {
        if !self.is_current(key, ticket) {
            self.0.meter.fill_refused();
            return;
        }
        let fresh = Remembered { value, ticket };
        // One that is forgotten at this moment is stored and never served: it has the number from before.
        self.0.entries.entry(key).and_compute_with(|known| match known {
            Some(known) if known.value().is_newer_than(&fresh) => Op::Nop,
            _ => Op::Put(fresh),
        });
    }

    /// Makes void whatever was read of `key` before. To be called after a change has been committed and before it is answered.
    pub fn forget(&self, key: K) {
        self.0.generations.advance(&key);
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.0.entries.run_pending_tasks();
        self.0.meter.entries(self.0.entries.entry_count());
    }

    fn is_current(&self, key: K, ticket: Ticket) -> bool {
        ticket.generation == self.0.generations.current(&key)
    }

    fn flight<F>(&self, key: K, read: impl FnOnce() -> F) -> Flight<V, E>
    where
        F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    {
        let mut flights = lock(&self.0.flights);
        let ticket = self.ticket(key);
        if let Some(known) = flights.get(&key)
            && known.ticket.generation == ticket.generation
            && ticket.asked_at.duration_since(known.ticket.asked_at) < self.0.max_age
            && let Some(flight) = known.flight.upgrade()
        {
            self.0.meter.joined();
            return flight;
        }
        let landing = Landing { cache: self.clone(), key, ticket };
        let reading = read();
        let flight = async move {
            let landing = landing;
            let landed = reading.await.map(|found| found.map(Arc::new)).map_err(Arc::new);
            if let Ok(Some(value)) = &landed {
                landing.cache.put(landing.key, landing.ticket, Arc::clone(value));
            }
            landed
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key, Airborne { ticket, flight: weak });
        }
        flight
    }
}

impl<V: Record> Remembered<V> {
    fn is_newer_than(&self, other: &Self) -> bool {
        let order = |it: &Self| (it.ticket.generation, it.value.version(), it.ticket.asked_at);
        order(self) > order(other)
    }
}

/// Takes a flight off the list, also when its read panics or nobody waits for it any more.
struct Landing<K: Eq + Hash, V, E> {
    cache: Cache<K, V, E>,
    key: K,
    ticket: Ticket,
}

impl<K: Eq + Hash, V, E> Drop for Landing<K, V, E> {
    fn drop(&mut self) {
        let mut flights = lock(&self.cache.0.flights);
        if flights.get(&self.key).is_some_and(|airborne| airborne.ticket == self.ticket) {
            flights.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
