//! The arithmetic: ITU-T I.371, annex A, in whole nanoseconds.

/// A rate as the arithmetic wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Nanoseconds that one call costs.
    pub interval: u64,
    /// Nanoseconds that a bucket holds: those of a whole burst.
    pub tolerance: u64,
}

impl Quota {
    /// Whether one more call fits into a bucket that would be empty at `empty_at` (the "theoretical arrival time").
    ///
    /// # Errors
    /// How many nanoseconds are to be waited.
    pub fn admit(self, empty_at: u64, now: u64) -> Result<u64, u64> {
        let next = empty_at.max(now).saturating_add(self.interval);
        let fill = next - now;
        if fill <= self.tolerance { Ok(next) } else { Err(fill - self.tolerance) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    /// A bucket of tokens, each worth an interval, that is filled up as time goes by: the same rule told the other way round.
    struct Tokens {
        quota: Quota,
        saved: u64,
        seen: u64,
    }

    impl Tokens {
        fn admit(&mut self, now: u64) -> Result<(), u64> {
            self.saved = (self.saved + (now - self.seen)).min(self.quota.tolerance);
            self.seen = now;
            if self.saved < self.quota.interval {
                return Err(self.quota.interval - self.saved);
            }
            self.saved -= self.quota.interval;
            Ok(())
        }
    }

    fn steps() -> impl Strategy<Value = Vec<u64>> {
        let step = (any::<bool>(), 0..5_000u64).prop_map(|(waits, step)| if waits { step } else { 0 });
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn it_admits_what_a_bucket_of_tokens_does(interval in 1..2_000u64, burst in 1..20u64, steps in steps()) {
            let quota = Quota { interval, tolerance: interval * burst };
            let (mut empty_at, mut now) = (0, 1_000_000);
            let mut model = Tokens { quota, saved: quota.tolerance, seen: now };
            for step in steps {
                now += step;
                let decided = quota.admit(empty_at, now);
                prop_assert_eq!(decided.map(drop), model.admit(now));
                match decided {
                    Ok(next) => empty_at = next,
                    // The wait is neither too short nor longer than it must be.
                    Err(wait) => {
                        prop_assert_eq!(quota.admit(empty_at, now + wait - 1), Err(1));
                        quota.admit(empty_at, now + wait).expect("admitted after the wait");
                    }
                }
            }
        }
    }
}
