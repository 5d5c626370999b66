//! Pauses that grow while something fails, and of which no two are alike.

use std::time::Duration;

use aws_lc_rs::rand;

/// Pauses between tries: each twice the one before, up to a bound.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// How long to wait before the next try.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        jittered(pause)
    }

    /// It went well: the next failure begins anew.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between half of `pause` and all of it, so that many do not come back at the same moment.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let mut byte = [0u8; 1];
    rand::fill(&mut byte).expect("the system's random source does not fail");
    pause / 2 + pause * u32::from(byte[0]) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(first, longest);
        for expected in [100, 200, 350, 350].map(Duration::from_millis) {
            let pause = backoff.pause();
            assert!(pause >= expected / 2 && pause <= expected, "{pause:?} of {expected:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
