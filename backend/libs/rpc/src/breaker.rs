//! A circuit breaker for one address of a peer: who fails again and again is left alone, and asked now and then whether it is
//! well again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::dice;

/// The first rest; each further one in a row is twice as long.
const FIRST_REST: Duration = Duration::from_millis(200);
/// The longest, for an address that others stand in for. Where none does, `open_at_most` bounds it.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Calls at once that find out whether an address is well again.
const PROBES: u32 = 3;
/// Besides failures in a row, half of the calls within the last one or two of these spans break the circuit.
const SPAN: Duration = Duration::from_secs(5);
/// So many calls at least, for half of very few says nothing.
const ENOUGH: u32 = 20;

/// What a call says of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answers, whatever the answer is.
    Well,
    /// It doesn't answer, or says that it can't.
    Ill,
    /// Nothing: the caller gave up early, say.
    Unknown,
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// From now on calls are kept away.
    Opened,
    /// From now on calls go through.
    Closed,
}

/// The way through the breaker for one call; what it came to is told by [`Breaker::settle`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    era: u64,
    /// Which of the probes it is, if it is one.
    probe: Option<u32>,
    is_upkeep: bool,
}

impl Ticket {
    /// Whether it is for the first call after a rest.
    pub fn is_first_probe(self) -> bool {
        self.probe == Some(1)
    }
}

/// See the module.
pub(crate) struct Breaker {
    break_after: u32,
    open_at_most: Duration,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Counts the phases: outcomes of calls from an earlier one no longer matter.
    era: u64,
    in_a_row: u32,
    /// How often it opened without having closed.
    openings: u32,
    current: Span,
    last: Span,
}

enum Phase {
    Closed,
    Open { since: Instant, rest: Duration },
    HalfOpen { probes: u32 },
}

#[derive(Clone, Copy)]
struct Span {
    begun: Instant,
    calls: u32,
    ill: u32,
}

impl Span {
    fn new(begun: Instant) -> Self {
        Self { begun, calls: 0, ill: 0 }
    }
}

impl Breaker {
    /// Opens after so many failures in a row, and lets itself be tried again after `open_at_most` if nobody else is better.
    pub fn new(break_after: u32, open_at_most: Duration) -> Self {
        let none = Span::new(Instant::now());
        let state = State { phase: Phase::Closed, era: 0, in_a_row: 0, openings: 0, current: none, last: none };
        Self { break_after, open_at_most, state: Mutex::new(state) }
    }

    /// Lets a call through, or says how long it would have to wait. `is_needed`: there is no better address.
    ///
    /// # Errors
    /// The wait.
    pub fn admit(&self, is_needed: bool) -> Result<Ticket, Duration> {
        let mut state = self.lock();
        if let Phase::Open { since, rest } = state.phase {
            let rest = if is_needed { rest.min(self.open_at_most) } else { rest };
            let left = rest.saturating_sub(since.elapsed());
            if !left.is_zero() {
                return Err(left);
            }
            state.enter(Phase::HalfOpen { probes: 0 });
        }
        let era = state.era;
        match &mut state.phase {
            Phase::HalfOpen { probes } if *probes >= PROBES => Err(FIRST_REST.min(self.open_at_most)),
            Phase::HalfOpen { probes } => {
                *probes += 1;
                Ok(Ticket { era, probe: Some(*probes), is_upkeep: false })
            }
            Phase::Closed | Phase::Open { .. } => Ok(Ticket { era, probe: None, is_upkeep: false }),
        }
    }

    /// Lets a call through whatever happened: one that is made now and then, by one task.
    pub fn admit_upkeep(&self) -> Ticket {
        Ticket { era: self.lock().era, probe: None, is_upkeep: true }
    }

    /// Takes note of what a call came to.
    pub fn settle(&self, ticket: Ticket, outcome: Outcome) -> Option<Change> {
        let mut state = self.lock();
        let is_current = ticket.era == state.era;
        if let Phase::HalfOpen { probes } = &mut state.phase
            && ticket.probe.is_some()
            && is_current
        {
            *probes -= 1;
        }
        let is_closed = matches!(state.phase, Phase::Closed);
        match outcome {
            Outcome::Unknown => None,
            Outcome::Well if is_closed => {
                state.count(false);
                None
            }
            // Of the calls that were under way when it opened, none says what holds by now.
            Outcome::Well if (is_current && ticket.probe.is_some()) || ticket.is_upkeep => {
                state.close();
                Some(Change::Closed)
            }
            Outcome::Ill if is_closed && is_current => {
                state.count(true);
                let is_enough = state.in_a_row >= self.break_after || state.half_fails();
                is_enough.then(|| state.open()).map(|()| Change::Opened)
            }
            Outcome::Ill if is_current && ticket.probe.is_some() => {
                state.open();
                None // it was open all the time
            }
            Outcome::Well | Outcome::Ill => None,
        }
    }

    /// Whether it keeps calls away, but for probes.
    pub fn is_open(&self) -> bool {
        !matches!(self.lock().phase, Phase::Closed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }

    fn open(&mut self) {
        let rest = FIRST_REST.saturating_mul(1 << self.openings.min(16)).min(LONGEST_REST);
        self.openings += 1;
        self.enter(Phase::Open { since: Instant::now(), rest: dice::jittered(rest) });
    }

    fn close(&mut self) {
        let none = Span::new(Instant::now());
        (self.in_a_row, self.openings, self.current, self.last) = (0, 0, none, none);
        self.enter(Phase::Closed);
    }

    fn count(&mut self, is_ill: bool) {
        let now = Instant::now();
        let age = now.duration_since(self.current.begun);
        if age >= SPAN {
            self.last = if age < 2 * SPAN { self.current } else { Span::new(now) };
            self.current = Span::new(now);
        }
        self.current.calls += 1;
        self.current.ill += u32::from(is_ill);
        self.in_a_row = if is_ill { self.in_a_row + 1 } else { 0 };
    }

    fn half_fails(&self) -> bool {
        let (calls, ill) = (self.current.calls + self.last.calls, self.current.ill + self.last.ill);
        calls >= ENOUGH && ill * 2 >= calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const AT_MOST: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(5, AT_MOST)
    }

    fn call(breaker: &Breaker, outcome: Outcome) -> Option<Change> {
        let ticket = breaker.admit(false).expect("let through");
        breaker.settle(ticket, outcome)
    }

    fn broken() -> Breaker {
        let breaker = breaker();
        for _ in 0..4 {
            assert_eq!(call(&breaker, Outcome::Ill), None);
        }
        assert_eq!(call(&breaker, Outcome::Ill), Some(Change::Opened));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_probe_that_succeeds_closes_it() {
        let breaker = broken();
        assert!(breaker.admit(true).expect_err("it rests") <= FIRST_REST);
        advance(FIRST_REST).await;
        assert_eq!(call(&breaker, Outcome::Well), Some(Change::Closed));
        assert_eq!(call(&breaker, Outcome::Ill), None, "it counts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_probes_go_through_at_once_and_more_do_not() {
        let breaker = broken();
        advance(FIRST_REST).await;
        let probes: Vec<_> = (0..PROBES).map(|_| breaker.admit(false).expect("a probe")).collect();
        assert!(breaker.admit(true).is_err());
        assert_eq!(breaker.settle(probes[0], Outcome::Unknown), None);
        assert!(breaker.admit(true).is_ok(), "who gave up makes room");
        assert_eq!(breaker.settle(probes[1], Outcome::Ill), None);
        assert!(breaker.admit(true).is_err(), "it rests again");
        assert_eq!(breaker.settle(probes[2], Outcome::Well), None, "of an earlier phase");
    }

    #[tokio::test(start_paused = true)]
    async fn rests_grow_but_not_for_who_is_needed() {
        let breaker = broken();
        for _ in 0..10 {
            advance(LONGEST_REST).await;
            assert_eq!(call(&breaker, Outcome::Ill), None);
        }
        advance(AT_MOST).await;
        assert!(breaker.admit(false).expect_err("others are better") > Duration::from_secs(10));
        assert!(breaker.admit(true).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_many_calls_open_it_and_half_of_few_do_not() {
        let breaker = breaker();
        let outcomes = [Outcome::Well, Outcome::Ill];
        let changes: Vec<_> = outcomes.iter().cycle().take(20).map(|outcome| call(&breaker, *outcome)).collect();
        assert_eq!(changes.iter().position(Option::is_some), Some(19));

        let breaker = self::breaker();
        for outcome in outcomes.iter().cycle().take(200) {
            assert_eq!(call(&breaker, *outcome), None, "long ago");
            advance(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_of_whatever_kind_keep_it_closed_and_upkeep_closes_it() {
        let breaker = broken();
        let late = breaker.admit_upkeep();
        assert_eq!(breaker.settle(late, Outcome::Ill), None);
        assert!(breaker.admit(true).is_err());
        assert_eq!(breaker.settle(breaker.admit_upkeep(), Outcome::Well), Some(Change::Closed));
        for _ in 0..1000 {
            assert_eq!(call(&breaker, Outcome::Unknown), None);
        }
    }
}
