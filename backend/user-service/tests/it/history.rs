//! What a record was when, and so what a reader may see of it.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What another replica has written is seen after this at the latest.
pub const PROMISED: Duration = Duration::from_secs(1);

/// The values of one record, which one writer changes, one after the other.
pub struct History<T>(Mutex<Vec<Written<T>>>);

struct Written<T> {
    value: T,
    /// The replica that was asked to write it.
    replica: usize,
    begun: Instant,
    acknowledged: Option<Instant>,
}

/// One look at a record.
#[derive(Clone, Copy)]
pub struct Look {
    /// The replica that was asked.
    pub replica: usize,
    /// Whether the reader is who writes the record.
    pub is_own: bool,
    /// From when to when it took.
    pub begun: Instant,
    pub ended: Instant,
}

impl<T: Clone + PartialEq + Debug> History<T> {
    /// A record that has never been anything else.
    pub fn new(first: T) -> Self {
        let now = Instant::now();
        Self(Mutex::new(vec![Written { value: first, replica: 0, begun: now, acknowledged: Some(now) }]))
    }

    /// The record is being changed from now on.
    pub fn begin(&self, value: T, replica: usize) {
        self.lock().push(Written { value, replica, begun: Instant::now(), acknowledged: None });
    }

    /// The change has been answered.
    pub fn acknowledge(&self) {
        let mut written = self.lock();
        written.last_mut().expect("a change has begun").acknowledged = Some(Instant::now());
    }

    /// Says what is wrong with what a look saw, if anything is: it must be what was acknowledged last when the look began – for
    /// others and over another replica, a second before –, or what was written since.
    pub fn fault(&self, look: Look, seen: &T) -> Option<String> {
        let written = self.lock();
        let is_settled = |w: &Written<T>| {
            let lag = if look.is_own || w.replica == look.replica { Duration::ZERO } else { PROMISED };
            w.acknowledged.is_some_and(|at| at + lag <= look.begun)
        };
        let oldest = written.iter().rposition(is_settled).unwrap_or(0);
        let mut possible = written[oldest..].iter().filter(|w| w.begun <= look.ended);
        if possible.any(|w| w.value == *seen) {
            return None;
        }
        let (oldest, newest) = (&written[oldest].value, &written.last().expect("there is a value").value);
        Some(format!("saw {seen:?}, which must be from {oldest:?} to {newest:?}"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Written<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn what_was_replaced_long_ago_must_not_be_seen() {
    let history = History::new(1);
    let begun = Instant::now();
    history.begin(2, 0);
    history.acknowledge();
    history.begin(3, 1);
    let later = Instant::now();
    let look = |replica, is_own, begun| Look { replica, is_own, begun, ended: begun };
    let faults = |look: Look| [1, 2, 3].map(|seen| history.fault(look, &seen).is_some());
    assert_eq!(faults(look(0, false, later)), [true, false, false], "over the replica that wrote 2");
    assert_eq!(faults(look(1, false, later)), [false, false, false], "over another, within a second");
    assert_eq!(faults(look(1, true, later)), [true, false, false], "one's own");
    assert_eq!(faults(look(1, false, later + PROMISED)), [true, false, false], "after a second");
    assert_eq!(
        faults(Look { ended: begun, ..look(0, false, begun) }),
        [false, true, true],
        "not before it was written"
    );
}
