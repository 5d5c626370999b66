//! When a message that could not be delivered is tried again.

use std::time::Duration;

use aws_lc_rs::rand;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// Pauses that grow, and an end.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How long after its beginning a message is given up.
    pub give_up_after: Duration,
}

impl Schedule {
    /// How long to wait after a failure: twice as long as after the one before, from 5 s up to 6 h, less up to a half by chance,
    /// so that what failed together does not come back together. `tries` counts from 1, `age` is how long ago the message's
    /// first try was due. The last try is at the very end; none: the message is given up.
    pub fn pause(&self, tries: u32, age: Duration) -> Option<Duration> {
        let mut dice = [0u8; 1];
        rand::fill(&mut dice).expect("the system's random source does not fail");
        self.pause_by(tries, age, dice[0])
    }

    fn pause_by(&self, tries: u32, age: Duration, dice: u8) -> Option<Duration> {
        let left = self.give_up_after.checked_sub(age).filter(|left| !left.is_zero())?;
        let whole = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LONGEST);
        Some((whole - whole * u32::from(dice) / 512).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SCHEDULE: Schedule = Schedule { give_up_after: Duration::from_secs(3 * 24 * 60 * 60) };

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<_> =
            (1..=15).filter_map(|tries| SCHEDULE.pause_by(tries, Duration::ZERO, 0)).map(|p| p.as_secs()).collect();
        assert_eq!(
            pauses,
            [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 20_480, 21_600, 21_600],
            "in seconds"
        );
    }

    #[test]
    fn chance_takes_at_most_a_half() {
        for dice in [0, 1, 128, 255] {
            let pause = SCHEDULE.pause_by(3, Duration::ZERO, dice).expect("not the end");
            assert!(pause <= FIRST * 4 && pause > FIRST * 2, "{pause:?} of {dice}");
        }
    }

    #[test]
    fn a_message_is_tried_for_three_days_and_last_at_their_end() {
        for dice in [0, 255] {
            let (mut age, mut tries) = (Duration::ZERO, 1);
            while let Some(pause) = SCHEDULE.pause_by(tries, age, dice) {
                (age, tries) = (age + pause, tries + 1);
            }
            assert_eq!(age, 3 * DAY);
            assert!((20..50).contains(&tries), "{tries} tries");
        }
        assert_eq!(SCHEDULE.pause_by(u32::MAX, 4 * DAY, 0), None);
    }
}
