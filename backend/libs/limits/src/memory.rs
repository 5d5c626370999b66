//! Buckets in memory, many at once, and never more than so many.
//!
//! A bucket that is empty is forgotten: it is as good as none. Where there are too many, those go that are nearest to being
//! empty, so that somebody who comes from thousands of addresses can't wash a full bucket away.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gcra::Quota;
use crate::subject::Key;

/// Parts with a lock of their own, so that calls seldom wait for one another.
const SHARDS: usize = 64;
/// Buckets that a shard holds before it first looks for empty ones.
const FEW: usize = 64;

/// One call for one bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub key: Key,
    pub quota: Quota,
}

/// A bucket has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// Which of those that were asked for; the one that takes longest.
    pub index: usize,
    /// Nanoseconds until all of them have room.
    pub wait: u64,
}

impl Full {
    /// The longer wait of the two.
    fn or(self, other: Option<Self>) -> Self {
        other.filter(|other| other.wait > self.wait).unwrap_or(self)
    }
}

pub(crate) struct Memory {
    shards: Box<[Mutex<Shard>]>,
    /// Odd and secret: nobody can choose addresses that all fall into one shard.
    seed: u64,
}

struct Shard {
    /// When each bucket is empty again, in nanoseconds of the clock's elapsed time.
    empty_at: HashMap<Key, u64>,
    /// With so many it is time to look for empty ones.
    sweep_at: usize,
    most: usize,
}

impl Memory {
    /// Room for about `most` buckets.
    pub fn new(most: usize) -> Self {
        let most = most.div_ceil(SHARDS).max(1);
        let shard = || Mutex::new(Shard { empty_at: HashMap::new(), sweep_at: FEW.min(most), most });
        let seed = RandomState::new().hash_one(0) | 1;
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect(), seed }
    }

    /// Takes one call into all of these buckets, or into none.
    pub fn admit(&self, asks: &[Ask], now: u64) -> Result<(), Full> {
        for (index, ask) in asks.iter().enumerate() {
            // By itself: in the condition the shard would stay locked for the whole block.
            let admitted = self.shard(&ask.key).admit(ask, now);
            if let Err(wait) = admitted {
                for taken in &asks[..index] {
                    self.shard(&taken.key).give_back(taken);
                }
                let later = self.peek(&asks[index + 1..], now).err();
                let later = later.map(|full| Full { index: full.index + index + 1, ..full });
                return Err(Full { index, wait }.or(later));
            }
        }
        Ok(())
    }

    /// Whether all of these buckets have room.
    pub fn peek(&self, asks: &[Ask], now: u64) -> Result<(), Full> {
        let mut fullest = None::<Full>;
        for (index, ask) in asks.iter().enumerate() {
            let empty_at = self.shard(&ask.key).empty_at.get(&ask.key).copied().unwrap_or(0);
            if let Err(wait) = ask.quota.admit(empty_at, now) {
                fullest = Some(Full { index, wait }.or(fullest));
            }
        }
        fullest.map_or(Ok(()), Err)
    }

    /// Learns that a bucket is not empty before then.
    pub fn raise(&self, key: Key, empty_at: u64, now: u64) {
        let mut shard = self.shard(&key);
        shard.make_room(&key, now);
        let known = shard.empty_at.entry(key).or_default();
        *known = empty_at.max(*known);
    }

    /// Notes a call that somebody else has admitted, who says when the bucket will be empty. It is added to what was admitted
    /// here: otherwise a Redis that comes and goes would let each bucket be filled twice, here and there.
    pub fn take(&self, ask: &Ask, empty_at: u64, now: u64) {
        let mut shard = self.shard(&ask.key);
        shard.make_room(&ask.key, now);
        let known = shard.empty_at.entry(ask.key).or_default();
        let own = (*known).max(now).saturating_add(ask.quota.interval);
        *known = own.min(now.saturating_add(ask.quota.tolerance)).max(empty_at).max(*known);
    }

    /// How many buckets are not empty.
    pub fn count(&self, now: u64) -> usize {
        let in_shard = |shard: &Mutex<Shard>| {
            let mut shard = lock(shard);
            shard.sweep(now);
            shard.empty_at.len()
        };
        self.shards.iter().map(in_shard).sum()
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        const BITS: u32 = SHARDS.trailing_zeros();
        let mixed = key.subject.mixed().wrapping_mul(self.seed);
        lock(&self.shards[(mixed >> (u64::BITS - BITS)) as usize])
    }
}

/// A panic between two statements here leaves nothing half done.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn admit(&mut self, ask: &Ask, now: u64) -> Result<(), u64> {
        self.make_room(&ask.key, now);
        let empty_at = self.empty_at.entry(ask.key).or_default();
        *empty_at = ask.quota.admit(*empty_at, now)?;
        Ok(())
    }

    fn give_back(&mut self, ask: &Ask) {
        if let Some(empty_at) = self.empty_at.get_mut(&ask.key) {
            *empty_at = empty_at.saturating_sub(ask.quota.interval);
        }
    }

    /// Sees to it that one more can be put in.
    fn make_room(&mut self, key: &Key, now: u64) {
        if self.empty_at.len() >= self.sweep_at && !self.empty_at.contains_key(key) {
            self.sweep(now);
            if self.empty_at.len() >= self.most {
                self.drop_half();
            }
            // Twice as many as are left, so that a look at all of them is paid for by as many new ones.
            self.sweep_at = (2 * self.empty_at.len()).clamp(FEW.min(self.most), self.most);
        }
    }

    fn sweep(&mut self, now: u64) {
        self.empty_at.retain(|_, empty_at| *empty_at > now);
    }

    fn drop_half(&mut self) {
        let mut times: Vec<u64> = self.empty_at.values().copied().collect();
        let middle = times.len() / 2;
        let (_, &mut middle, _) = times.select_nth_unstable(middle);
        self.empty_at.retain(|_, empty_at| *empty_at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subject;
    use uuid::Uuid;

    const QUOTA: Quota = Quota { interval: 10, tolerance: 20 };
    const SLOW: Quota = Quota { interval: 1_000, tolerance: 2_000 };

    fn ask(limit: u16, who: u128, quota: Quota) -> Ask {
        Ask { key: Key { limit, subject: Subject::person(Uuid::from_u128(who)) }, quota }
    }

    #[test]
    fn a_call_goes_into_all_buckets_or_none() {
        let memory = Memory::new(1_000);
        let (fast, slow) = (ask(0, 1, QUOTA), ask(1, 2, SLOW));
        for _ in 0..2 {
            memory.admit(&[fast, slow], 0).expect("room");
        }
        // Both are full; the longer wait is told, and neither is filled further.
        for asks in [[fast, slow], [slow, fast]] {
            let full = memory.admit(&asks, 0).expect_err("full");
            assert_eq!((asks[full.index].key, full.wait), (slow.key, 1_000));
        }
        assert_eq!(memory.admit(&[fast, slow], 20).map_err(|full| full.wait), Err(980));
        assert_eq!(memory.admit(&[fast], 20), Ok(()));
        assert_eq!(memory.admit(&[fast], 20), Ok(()), "the refused call has cost nothing");
        assert!(memory.admit(&[fast], 20).is_err());
    }

    #[test]
    fn empty_buckets_are_forgotten() {
        let memory = Memory::new(1_000_000);
        for who in 0..100_000 {
            memory.admit(&[ask(0, who, QUOTA)], u64::try_from(who).expect("small")).expect("room");
        }
        let held: usize = memory.shards.iter().map(|shard| lock(shard).empty_at.len()).sum();
        assert!(held <= SHARDS * FEW, "{held}");
        assert_eq!(memory.count(100_000), 9);
        assert_eq!(memory.count(200_000), 0);
    }

    #[test]
    fn a_flood_of_strangers_neither_fills_the_memory_nor_washes_a_full_bucket_away() {
        let memory = Memory::new(6_400);
        let guesser = ask(1, u128::MAX, SLOW);
        for _ in 0..2 {
            memory.admit(&[guesser], 0).expect("room");
        }
        for who in 0..100_000 {
            memory.admit(&[ask(0, who << 64 | who, QUOTA)], 0).expect("a stranger's first");
        }
        assert!(memory.count(0) <= 6_400, "{}", memory.count(0));
        assert!(memory.admit(&[guesser], 0).is_err());
    }

    #[test]
    fn a_redis_that_comes_and_goes_lets_no_bucket_be_filled_twice() {
        let memory = Memory::new(1_000);
        let ask = ask(0, 1, Quota { interval: 10, tolerance: 50 });
        let mut taken = 0;
        for by_redis in [10, 20, 30, 40, 50] {
            // Once it is away, once it answers and knows of its own calls alone.
            taken += u32::from(memory.admit(&[ask], 0).is_ok());
            if memory.peek(&[ask], 0).is_ok() {
                memory.take(&ask, by_redis, 0);
                taken += 1;
            }
        }
        assert_eq!(taken, 5);
        // It is never more than full, and what Redis knows of others counts.
        memory.take(&ask, 50, 0);
        assert_eq!(memory.peek(&[ask], 0), Err(Full { index: 0, wait: 10 }));
        memory.take(&ask, 45, 40);
        assert_eq!(memory.peek(&[ask], 40), Ok(()));
    }

    #[test]
    fn what_is_learnt_only_fills() {
        let memory = Memory::new(1_000);
        let ask = ask(0, 1, QUOTA);
        memory.raise(ask.key, 20, 0);
        memory.raise(ask.key, 5, 0);
        assert_eq!(memory.peek(&[ask], 0), Err(Full { index: 0, wait: 10 }));
        assert_eq!(memory.peek(&[ask], 10), Ok(()));
    }
}
