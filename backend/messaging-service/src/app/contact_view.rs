//! What is remembered of who may write to whom (promise G6).
//!
//! A verdict counts as fresh for a while from the moment *before* the question was asked. After that it is asked anew; if
//! the user service cannot be reached, the last known one holds for a bounded time, and what is not known is never
//! "allowed". A service that is up and refuses to answer holds nothing: it could have told of a block.
//!
//! Whatever a verdict is acted on for is acted on within [`MAX_AGE`]: a [`Pass`] ends then, however long the message that
//! it was given for waits for its turn or for a lock.
//!
//! Invalidating does not search for entries: it counts up a number that the people's ids choose. Everything remembers the
//! sum of the numbers that concern it from before its question was asked, and is void when that sum has changed – entries,
//! answers that arrive late, and sends that wait for their turn alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache::Meter;
use ids::UserId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::model::Verdict;

/// Different people share a number now and then, which costs them a question.
const SHARDS: usize = 8192;
/// After a question that found nobody, the verdict that holds for the same two is used without asking for this long.
const QUIET: Duration = Duration::from_millis(100);
/// How long a verdict is acted on after it was asked for: a block must be obeyed everywhere within a second.
pub const MAX_AGE: Duration = Duration::from_millis(900);

/// How long verdicts are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Without asking again; at most [`MAX_AGE`].
    pub fresh: Duration,
    /// While the user service cannot be reached.
    pub hold: Duration,
    /// How many verdicts are remembered.
    pub capacity: u64,
}

/// A verdict that can be checked again right before it is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The verdict.
    pub verdict: Verdict,
    actor: UserId,
    other: UserId,
    token: u64,
    valid_until: Instant,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody is there, or nobody answers in time: the last known verdict holds.
    Unreachable,
    /// Somebody is there and does not say.
    Refused,
}

/// Nobody answers, and nothing is known from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not known whether the two may write to each other right now")]
pub struct Unknown;

#[derive(Clone, Copy)]
struct Entry {
    verdict: Verdict,
    token: u64,
    asked_at: Instant,
    /// When the user service was last found unreachable for these two.
    unreachable_at: Option<Instant>,
}

type Key = (UserId, UserId);
/// What a question was answered with.
pub type Answer = Result<Verdict, Unanswered>;
/// The same with the moment before the question.
type Landed = Result<(Verdict, Instant), Unanswered>;
type Flight = watch::Receiver<Option<Landed>>;

/// The memory of who may write to whom. Cheap to clone.
#[derive(Clone)]
pub struct ContactView(Arc<Inner>);

struct Inner {
    terms: Terms,
    numbers: Box<[AtomicU64]>,
    entries: moka::sync::Cache<Key, Entry>,
    meter: Meter,
    flights: Mutex<HashMap<(Key, u64), Flight>>,
    /// One for each writer that acts on passes.
    gates: Mutex<Vec<Gate>>,
}

/// Held for reading by writers from their last look at the passes until they have acted on them: one statement or two.
pub type Gate = Arc<tokio::sync::RwLock<()>>;

impl ContactView {
    /// An empty memory.
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Inner {
            terms,
            numbers: std::iter::repeat_with(AtomicU64::default).take(SHARDS).collect(),
            entries: moka::sync::Cache::new(terms.capacity),
            meter: Meter::new("contacts"),
            flights: Mutex::default(),
            gates: Mutex::default(),
        }))
    }

    /// Whether `actor` may write to `other`: as remembered while that is fresh, else as `ask` says. Questions about the
    /// same two are asked once for all who wait.
    ///
    /// # Errors
    /// [`Unknown`] if `ask` fails and no verdict holds.
    pub async fn verdict<F>(&self, actor: UserId, other: UserId, ask: impl FnOnce() -> F) -> Result<Pass, Unknown>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let token = self.token(actor, other);
        let pass = |verdict, valid_until| Pass { verdict, actor, other, token, valid_until };
        let known = self.0.entries.get(&(actor, other)).filter(|entry| entry.token == token);
        if let Some(entry) = known.filter(|entry| entry.asked_at.elapsed() <= self.0.terms.fresh) {
            self.0.meter.hit_of_age(entry.asked_at.elapsed());
            return Ok(pass(entry.verdict, entry.asked_at + MAX_AGE));
        }
        self.0.meter.miss();
        // What holds is acted on as briefly after it was found to hold as an answer after its question.
        let held = |unreachable_at: Instant| {
            let entry = known.filter(|entry| entry.asked_at.elapsed() <= self.0.terms.hold);
            entry.map(|entry| pass(entry.verdict, (unreachable_at + MAX_AGE).min(entry.asked_at + self.0.terms.hold)))
        };
        let quiet = known.and_then(|entry| entry.unreachable_at).filter(|at| at.elapsed() < QUIET);
        if let Some(held) = quiet.and_then(held) {
            return Ok(held);
        }
        match self.ask_once((actor, other), token, ask).await {
            Ok((verdict, asked_at)) => Ok(pass(verdict, asked_at + MAX_AGE)),
            Err(Unanswered::Unreachable) => held(Instant::now()).ok_or(Unknown),
            Err(Unanswered::Refused) => Err(Unknown),
        }
    }

    /// How long a pass may still be acted on; nothing if its time is over or something was invalidated about the two.
    pub fn time_left(&self, pass: &Pass) -> Option<Duration> {
        if self.token(pass.actor, pass.other) != pass.token {
            return None;
        }
        pass.valid_until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Forgets what is known about two people, or about one and everybody. When it returns, no earlier answer counts.
    pub fn invalidate(&self, user: UserId, other: Option<UserId>) {
        let number = match other {
            Some(other) => self.pair_number(user, other),
            None => self.user_number(user),
        };
        number.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until all that is being written right now because of what was known has been written.
    ///
    /// After [`Self::invalidate`] this makes sure that nothing is stored any more because of what was known before it.
    /// Gates are fair and held for one write, which is bounded: so is this.
    pub async fn settle(&self) {
        let mut waits = JoinSet::new();
        for gate in lock(&self.0.gates).clone() {
            waits.spawn(async move { drop(gate.write().await) });
        }
        waits.join_all().await;
    }

    /// A gate for one more writer, or for many who do not wait for each other.
    pub fn new_gate(&self) -> Gate {
        let gate = Gate::default();
        lock(&self.0.gates).push(Arc::clone(&gate));
        gate
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.0.entries.run_pending_tasks();
        self.0.meter.entries(self.0.entries.entry_count());
    }

    /// Numbers only grow, so the sum is the same only if none of them has changed.
    fn token(&self, actor: UserId, other: UserId) -> u64 {
        [self.user_number(actor), self.user_number(other), self.pair_number(actor, other)]
            .iter()
            .map(|number| number.load(Ordering::SeqCst))
            .sum()
    }

    fn user_number(&self, user: UserId) -> &AtomicU64 {
        self.number(random_part(user))
    }

    fn pair_number(&self, one: UserId, other: UserId) -> &AtomicU64 {
        self.number(random_part(one).wrapping_add(random_part(other)).rotate_right(13))
    }

    fn number(&self, hash: u64) -> &AtomicU64 {
        let index = usize::try_from(hash % SHARDS as u64).expect("below the number of shards");
        &self.0.numbers[index]
    }

    async fn ask_once<F>(&self, key: Key, token: u64, ask: impl FnOnce() -> F) -> Landed
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut flight = {
            let mut flights = lock(&self.0.flights);
            match flights.get(&(key, token)) {
                Some(flight) => {
                    self.0.meter.joined();
                    flight.clone()
                }
                None => {
                    let (sender, flight) = watch::channel(None);
                    flights.insert((key, token), flight.clone());
                    let landing = Landing { view: self.clone(), key, token, sender };
                    let asked_at = Instant::now();
                    let question = ask();
                    // A task of its own: whoever asked first may leave, and their deadline is nobody else's. In traces it is theirs.
                    let question = traces::scope(traces::current(), question);
                    tokio::spawn(async move { landing.land(question.await, asked_at) });
                    flight
                }
            }
        };
        match flight.wait_for(Option::is_some).await {
            Ok(answer) => answer.unwrap_or(Err(Unanswered::Refused)),
            Err(_) => Err(Unanswered::Refused),
        }
    }
}

/// Takes a flight off the list, also when its question panics.
struct Landing {
    view: ContactView,
    key: Key,
    token: u64,
    sender: watch::Sender<Option<Landed>>,
}

impl Landing {
    fn land(self, answer: Answer, asked_at: Instant) {
        let Self { view, key, token, sender } = &self;
        let entries = &view.0.entries;
        // An answer that came too late must not push out a newer one; it would never be believed anyway.
        let is_current = view.token(key.0, key.1) == *token;
        match answer {
            Ok(verdict) if is_current => {
                entries.insert(*key, Entry { verdict, token: *token, asked_at, unreachable_at: None });
            }
            Err(Unanswered::Unreachable) if is_current => {
                if let Some(entry) = entries.get(key).filter(|entry| entry.token == *token) {
                    entries.insert(*key, Entry { unreachable_at: Some(Instant::now()), ..entry });
                }
            }
            Ok(_) => view.0.meter.fill_refused(),
            Err(_) => {}
        }
        sender.send_replace(Some(answer.map(|verdict| (verdict, asked_at))));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.view.0.flights).remove(&(self.key, self.token));
    }
}

/// The last 64 bits of a UUIDv7 are random.
fn random_part(user: UserId) -> u64 {
    user.uuid().as_u64_pair().1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
