//! Random choices that a failed test can make again.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand;

/// A small random generator (SplitMix64); its seed is `NOVA_TEST_SEED` or a new one, and a failure prints it.
pub struct Dice {
    seed: u64,
    state: AtomicU64,
}

impl Dice {
    /// New dice.
    pub fn new() -> Self {
        let given = std::env::var("NOVA_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0u8; 8];
            rand::fill(&mut bytes).expect("the system's random source does not fail");
            u64::from_le_bytes(bytes)
        });
        Self { seed, state: AtomicU64::new(seed) }
    }

    /// A number from 0 up to, but without, `sides`.
    pub fn roll(&self, sides: usize) -> usize {
        let mut z = self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        usize::try_from(z % sides as u64).expect("smaller than a usize")
    }

    /// True once in `sides` times.
    pub fn one_in(&self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the same choices again: NOVA_TEST_SEED={}", self.seed);
        }
    }
}
