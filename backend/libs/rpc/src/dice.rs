//! Chance, where many would otherwise do the same at the same moment.

use std::time::Duration;

use aws_lc_rs::rand;

/// Any number.
pub(crate) fn number() -> u64 {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).expect("the system's random source does not fail");
    u64::from_ne_bytes(bytes)
}

/// Between half of `wait` and all of it.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait / 2 + (wait / 2).mul_f64((number() >> 32) as f64 / f64::from(u32::MAX))
}
