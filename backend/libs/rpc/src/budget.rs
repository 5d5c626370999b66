//! How many retries a peer gets: a share of the calls, so that retries never multiply the load of a peer that is failing.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Retries that can be saved up.
const MOST: f64 = 20.0;
/// Retries a second that are there however few calls there are: a share of next to nothing is nothing.
const FLOOR: f64 = 1.0;

/// A bucket of retries: each call puts a share of one in, each retry takes one out.
pub(crate) struct Budget {
    share: f64,
    saved: Mutex<Saved>,
}

struct Saved {
    retries: f64,
    as_of: Instant,
}

impl Budget {
    /// A budget of so many retries for each hundred calls.
    pub fn new(percent: u32) -> Self {
        let saved = Saved { retries: MOST / 2.0, as_of: Instant::now() };
        Self { share: f64::from(percent) / 100.0, saved: Mutex::new(saved) }
    }

    /// A call is made.
    pub fn deposit(&self) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.retries = (saved.retries + self.share).min(MOST);
    }

    /// Whether there is a retry left; it is spent then.
    pub fn withdraw(&self) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earned = now.duration_since(saved.as_of).as_secs_f64() * FLOOR;
        (saved.retries, saved.as_of) = ((saved.retries + earned).min(MOST), now);
        let is_left = saved.retries >= 1.0;
        if is_left {
            saved.retries -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn spend(budget: &Budget) -> u32 {
        (0..).take_while(|_| budget.withdraw()).count().try_into().expect("few")
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_share_of_the_calls_and_cannot_be_hoarded() {
        let budget = Budget::new(10);
        assert_eq!(spend(&budget), 10, "what is there at the start");
        (0..95).for_each(|_| budget.deposit());
        assert_eq!(spend(&budget), 9);
        (0..10_000).for_each(|_| budget.deposit());
        assert_eq!(spend(&budget), 20);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(spend(&budget), 3, "one a second whatever happens");
    }
}
