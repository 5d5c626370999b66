//! How old a connection gets. Clients of gRPC keep to one connection for as long as it lasts, so that a new replica would get no
//! calls: from time to time each has to be made anew.
//!
//! An old connection is told so (GOAWAY; over HTTP/1.1 `connection: close`). The calls on it end, new ones go over another; streams
//! go on for a grace, then they end as they do when the process drains, and their readers come back with their cursors.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config::Listen;

/// How long the last words of streams and calls may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How old connections get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    limit: Duration,
    streams_grace: Duration,
    /// How long a call may take at most.
    call: Duration,
}

/// When a connection's time is over; in the extensions of each request that comes over it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    /// From then on it takes no new calls.
    pub retires_at: Instant,
    /// When the streams on it are ended.
    pub streams_end_at: Instant,
    /// When it is cut off, whatever is on it.
    pub cut_at: Instant,
}

impl Age {
    /// None if connections may get as old as they like.
    pub fn of(listen: &Listen) -> Option<Self> {
        let (limit, streams_grace) = (listen.max_connection_age, listen.max_connection_age_grace);
        (!limit.is_zero()).then_some(Self { limit, streams_grace, call: listen.request_timeout })
    }

    /// The term of a connection that begins now: shorter or longer by up to a tenth, so that connections that began together, when
    /// another replica stopped, do not end together.
    pub fn begin(self) -> Term {
        let chance = (RandomState::new().hash_one(()) >> 32) as f64 / f64::from(u32::MAX);
        let retires_at = Instant::now() + self.limit.mul_f64(0.9 + 0.2 * chance);
        Term {
            retires_at,
            streams_end_at: retires_at + self.streams_grace,
            cut_at: retires_at + self.streams_grace.max(self.call) + LAST_WORDS,
        }
    }
}

impl Term {
    /// Resolves at a moment of the term; never without one.
    pub async fn over(term: Option<Self>, moment: impl FnOnce(Self) -> Instant) {
        match term {
            Some(term) => sleep_until(moment(term)).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ages_differ_by_a_tenth_either_way() {
        let limit = Duration::from_secs(600);
        let age = Age::of(&Listen { max_connection_age: limit, ..Listen::default() }).expect("there is one");
        let ages: Vec<_> = (0..200).map(|_| age.begin().retires_at - Instant::now()).collect();
        let (least, most) = (ages.iter().min().expect("some"), ages.iter().max().expect("some"));
        assert!((540..570).contains(&least.as_secs()) && (630..=660).contains(&most.as_secs()), "{least:?}, {most:?}");
        assert!(Age::of(&Listen { max_connection_age: Duration::ZERO, ..Listen::default() }).is_none());
    }
}
