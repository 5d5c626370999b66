//! Who listens in this process, and how what happened reaches them.
//!
//! The [`Follower`](super::follower::Follower) reads the log once for all of them. Listeners are admitted only between two of
//! its steps, and told up to where the log has been handed out: what lies before they read for themselves, what lies after
//! comes to them. A listener whose queue is full is let go, and reads for itself until it has caught up: nothing is ever
//! held for it here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ids::{ConversationId, UserId};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::metrics::Metrics;
use crate::model::{Event, Position};

/// Events that wait for one listener.
const QUEUE: usize = 128;
/// Notices of typing that wait for the follower; more are dropped.
const TYPING_QUEUE: usize = 1024;

/// Up to where which log has been handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The log.
    pub log: i32,
    /// The place.
    pub at: Position,
}

/// Somebody is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Typing {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
}

/// What a listener is handed.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// An event, shared by all who get it.
    Event(Arc<Event>),
    /// Somebody is writing.
    Typing(Arc<Typing>),
}

struct Listener {
    id: u64,
    only: Option<Arc<[ConversationId]>>,
    queue: mpsc::Sender<Delivery>,
}

struct Joining {
    user: UserId,
    listener: Listener,
    admitted: oneshot::Sender<Reached>,
}

#[derive(Default)]
struct State {
    listeners: HashMap<UserId, Vec<Listener>>,
    joining: Vec<Joining>,
    next_id: u64,
    reached: Option<Reached>,
}

impl State {
    fn streams_of(&self, user: UserId) -> usize {
        let joining = self.joining.iter().filter(|joining| joining.user == user).count();
        self.listeners.get(&user).map_or(0, Vec::len) + joining
    }
}

/// See the module.
pub struct Hub {
    state: Mutex<State>,
    wake: Notify,
    typing: mpsc::Sender<Typing>,
    delivered: AtomicU64,
    slow_readers: AtomicU64,
    lag_ms: AtomicI64,
    metrics: Arc<Metrics>,
}

/// A place among the listeners; leaving it is dropping it.
pub struct Seat {
    hub: Arc<Hub>,
    user: UserId,
    id: u64,
    /// What comes; it ends when the listener was let go.
    pub queue: mpsc::Receiver<Delivery>,
}

/// The user has as many streams open as they may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Hub {
    /// A hub without listeners, and what the follower takes notices of typing from.
    pub fn new(metrics: Arc<Metrics>) -> (Arc<Self>, mpsc::Receiver<Typing>) {
        let (typing, notices) = mpsc::channel(TYPING_QUEUE);
        let hub = Self {
            state: Mutex::default(),
            wake: Notify::new(),
            typing,
            delivered: AtomicU64::new(0),
            slow_readers: AtomicU64::new(0),
            lag_ms: AtomicI64::new(0),
            metrics,
        };
        (Arc::new(hub), notices)
    }

    /// There may be something new in the log.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for [`Self::wake`], also for one that came before.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Passes typing on to the follower.
    pub fn typing(&self, typing: Typing) {
        let _ = self.typing.try_send(typing);
    }

    /// Takes a seat. The answer to where the log has been handed out comes when the follower admits the listener.
    ///
    /// # Errors
    /// [`TooMany`] if the user has `max` already.
    pub fn join(
        self: &Arc<Self>,
        user: UserId,
        only: Option<Arc<[ConversationId]>>,
        max: usize,
    ) -> Result<(Seat, oneshot::Receiver<Reached>), TooMany> {
        let (sender, queue) = mpsc::channel(QUEUE);
        let (admitted, answer) = oneshot::channel();
        let mut state = self.state();
        if state.streams_of(user) >= max {
            return Err(TooMany);
        }
        let id = state.next_id;
        state.next_id += 1;
        state.joining.push(Joining { user, listener: Listener { id, only, queue: sender }, admitted });
        drop(state);
        self.wake();
        Ok((Seat { hub: Arc::clone(self), user, id, queue }, answer))
    }

    /// Whether anybody listens or wants to.
    pub fn is_wanted(&self) -> bool {
        let state = self.state();
        !state.listeners.is_empty() || !state.joining.is_empty()
    }

    /// Lets everybody in who waits. Between two steps of the follower only.
    pub fn admit(&self, reached: Reached) {
        let mut state = self.state();
        for Joining { user, listener, admitted } in std::mem::take(&mut state.joining) {
            // Who has left while waiting is not let in.
            if admitted.send(reached).is_ok() {
                state.listeners.entry(user).or_default().push(listener);
            }
        }
    }

    /// Notes that everything up to here has been handed out.
    pub fn set_reached(&self, reached: Reached) {
        self.state().reached = Some(reached);
    }

    /// Up to where everything has been handed out.
    pub fn reached(&self) -> Option<Reached> {
        self.state().reached
    }

    /// Who of `users` listens.
    pub fn listening(&self, users: impl Iterator<Item = UserId>) -> Vec<UserId> {
        let state = self.state();
        users.filter(|user| state.listeners.contains_key(user)).collect()
    }

    /// Hands something out to users.
    pub fn deliver(&self, conversation: ConversationId, delivery: &Delivery, users: &[UserId]) {
        let mut state = self.state();
        let mut count = 0;
        for user in users {
            let Some(listeners) = state.listeners.get_mut(user) else { continue };
            listeners.retain(|listener| {
                if listener.only.as_ref().is_some_and(|only| !only.contains(&conversation)) {
                    return true;
                }
                let taken = listener.queue.try_send(delivery.clone());
                count += u64::from(taken.is_ok());
                // Typing is not worth a listener's place.
                let stays = taken.is_ok() || matches!(delivery, Delivery::Typing(_));
                if !stays {
                    self.metrics.stream_lagged();
                }
                stays
            });
            if listeners.is_empty() {
                state.listeners.remove(user);
            }
        }
        drop(state);
        self.delivered.fetch_add(count, Ordering::Relaxed);
        self.metrics.events_delivered(count);
    }

    /// Notes for how long the log has been known to hold what can't be handed out yet; 0 if there is nothing.
    pub fn set_lag(&self, milliseconds: i64) {
        self.lag_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// How long that is.
    pub fn lag_ms(&self) -> i64 {
        self.lag_ms.load(Ordering::Relaxed)
    }

    /// Deliveries since the start.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// A stream was cut off because nothing was taken from it.
    pub fn cut_off(&self) {
        self.slow_readers.fetch_add(1, Ordering::Relaxed);
        self.metrics.slow_reader();
    }

    /// Streams cut off since the start.
    pub fn slow_readers(&self) -> u64 {
        self.slow_readers.load(Ordering::Relaxed)
    }

    /// Streams that are open.
    pub fn streams(&self) -> usize {
        let state = self.state();
        state.listeners.values().map(Vec::len).sum::<usize>() + state.joining.len()
    }

    /// People who listen.
    pub fn users(&self) -> usize {
        self.state().listeners.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.joining.retain(|joining| joining.listener.id != self.id);
        if let Some(listeners) = state.listeners.get_mut(&self.user) {
            listeners.retain(|listener| listener.id != self.id);
            if listeners.is_empty() {
                state.listeners.remove(&self.user);
            }
        }
    }
}
