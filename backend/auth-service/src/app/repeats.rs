//! Keeps a flood of refused calls from filling the audit log.
//!
//! The log can't be changed, so a row can't count up. Within a minute the first refusals of one kind, aimed at one account or
//! name from one address, are written as they are; those beyond are counted, and one row says how many there were when the
//! minute is over. What was aimed at decides, not whether there is such an account: written or counted, a name that nobody has
//! takes as long as any other. Refusals alone are counted so: what succeeded, and each lock, is always written.
//!
//! A process that dies takes the counts of its last minute with it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::audit::{Entry, Event, Origin};

/// Rows a minute about the same.
const SAME: u32 = 10;
/// Rows a minute about anything, of this process.
const ALL: u32 = 600;
/// Things that are counted apart; beyond that one count for each kind of event.
const APART: usize = 1_024;
const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Rows that are written at once.
const BATCH: usize = 100;

/// See the module.
#[derive(Default)]
pub struct Repeats {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    began: Option<DateTime<Utc>>,
    written: u32,
    same: HashMap<u64, Same>,
    /// Rows of minutes that are over.
    due: VecDeque<Entry>,
}

struct Same {
    written: u32,
    counted: Option<Counted>,
}

struct Counted {
    event: Event,
    origin: Origin,
    times: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Repeats {
    /// Whether a refusal is to be written; otherwise it has been counted.
    pub fn admit(&self, whom: impl Hash, event: &Event, origin: &Origin, now: DateTime<Utc>) -> bool {
        let reason = event.details.get("reason");
        let key = self.hasher.hash_one((event.kind, reason, origin.address, whom));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        state.began.get_or_insert(now);
        let (key, is_apart) = match state.same.contains_key(&key) || state.same.len() < APART {
            true => (key, true),
            false => (self.hasher.hash_one((event.kind, reason)), false),
        };
        let has_room = state.written < ALL;
        let same = state.same.entry(key).or_insert(Same { written: 0, counted: None });
        if has_room && same.written < SAME {
            same.written += 1;
            state.written += 1;
            return true;
        }
        let counted = same.counted.get_or_insert_with(|| match is_apart {
            true => Counted { event: event.clone(), origin: origin.clone(), times: 0, first: now, last: now },
            false => {
                let event = Event { subject: None, session: None, ..event.clone() };
                Counted { event, origin: Origin::default(), times: 0, first: now, last: now }
            }
        });
        counted.times += 1;
        counted.last = now;
        false
    }

    /// Some rows of minutes that are over; the same again until they are forgotten.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<Entry> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        state.due.iter().take(BATCH).cloned().collect()
    }

    /// Forgets the first of the rows that were due.
    pub fn forget(&self, rows: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).due.drain(..rows);
    }

    /// Closes the minute before its time.
    pub fn close(&self, now: DateTime<Utc>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).close(now);
    }
}

impl State {
    fn turn(&mut self, now: DateTime<Utc>) {
        if self.began.is_some_and(|began| now - began >= WINDOW) {
            self.close(now);
        }
    }

    fn close(&mut self, now: DateTime<Utc>) {
        (self.began, self.written) = (None, 0);
        let counted = self.same.drain().filter_map(|(_, same)| same.counted);
        self.due.extend(counted.map(|counted| {
            let event = counted.event.with("repeats", counted.times);
            let event = event.with("first_at", clock::rfc3339(counted.first));
            Entry::new(event.with("last_at", clock::rfc3339(counted.last)), &counted.origin, now)
        }));
        // While the database is away these pile up; a day's worth is enough.
        let most = APART * 24 * 60;
        let over = self.due.len().saturating_sub(most);
        self.due.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::audit::Kind;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("valid")
    }

    fn refused() -> Event {
        Event::anonymous(Kind::Login).refused("INVALID_CREDENTIALS")
    }

    fn from(address: u32) -> Origin {
        Origin::new(Some(std::net::Ipv4Addr::from(address).into()), "", "".into())
    }

    #[test]
    fn the_first_of_a_minute_are_written_and_the_rest_is_one_row() {
        let repeats = Repeats::default();
        let written = (0..50).filter(|_| repeats.admit("alice", &refused(), &from(1), at(0))).count();
        assert_eq!(written, 10);
        assert!(repeats.admit("bob", &refused(), &from(1), at(1)), "another name");
        assert!(repeats.admit("alice", &refused(), &from(2), at(1)), "another address");
        assert!(repeats.due(at(59)).is_empty(), "the minute is not over");
        let due = repeats.due(at(60));
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].details["repeats"], "40");
        assert_eq!(due[0].details["reason"], "INVALID_CREDENTIALS");
        assert_eq!(repeats.due(at(61)), due, "until it is forgotten");
        repeats.forget(1);
        assert!(repeats.due(at(61)).is_empty());
        assert!(repeats.admit("alice", &refused(), &from(1), at(61)), "a new minute");
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded_too() {
        let repeats = Repeats::default();
        let written = (0..100_000).filter(|n| repeats.admit(n, &refused(), &from(*n), at(0))).count();
        assert_eq!(written, 600);
        repeats.close(at(1));
        let mut counted = 0;
        loop {
            let due = repeats.due(at(1));
            if due.is_empty() {
                break;
            }
            counted += due.iter().map(|row| row.details["repeats"].parse::<u64>().expect("a number")).sum::<u64>();
            repeats.forget(due.len());
        }
        assert_eq!(counted, 99_400, "nothing is lost");
    }
}
