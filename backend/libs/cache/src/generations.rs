//! Numbers that tell whether something was read before or after it was last forgotten.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Different keys share a number now and then, which costs them a read.
const NUMBERS: usize = 4096;

/// A number for each key, that only grows. Forgetting a key counts it up and searches for nothing.
pub(crate) struct Generations {
    hasher: RandomState,
    numbers: Box<[AtomicU64]>,
}

impl Generations {
    pub(crate) fn new() -> Self {
        let numbers = std::iter::repeat_with(AtomicU64::default).take(NUMBERS).collect();
        Self { hasher: RandomState::new(), numbers }
    }

    pub(crate) fn current(&self, key: &impl Hash) -> u64 {
        self.number(key).load(Ordering::SeqCst)
    }

    /// When it returns, whatever was read before is void.
    pub(crate) fn advance(&self, key: &impl Hash) {
        self.number(key).fetch_add(1, Ordering::SeqCst);
    }

    fn number(&self, key: &impl Hash) -> &AtomicU64 {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % NUMBERS as u64).expect("below the number of numbers");
        &self.numbers[index]
    }
}
