//! How far a stream of events may go at once, and what is known of the event that holds it up.

use std::time::Duration;

use ids::EventId;

use super::{ConsumerOptions, HandlerError};
use crate::Event;
use crate::backoff::Backoff;
use crate::chain::chain;

/// Why a transaction with some events came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The event that failed: its place among those that were tried.
    pub at: usize,
    /// Why.
    pub error: HandlerError,
}

/// One stream: a topic of the log, or a partition.
pub(crate) struct Lane {
    options: ConsumerOptions,
    limit: usize,
    failing: Option<Failing>,
    backoff: Backoff,
}

struct Failing {
    id: EventId,
    /// Tries that failed for good.
    tries: u32,
    fault: String,
}

impl Lane {
    pub fn new(options: ConsumerOptions) -> Self {
        let backoff = Backoff::new(options.first_pause, options.longest_pause);
        Self { options, limit: options.batch.max(1), failing: None, backoff }
    }

    /// How many events may be tried together.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Why an event is to be put among the dead letters instead of being tried once more.
    pub fn verdict(&self, event: &Event) -> Option<&str> {
        let failing = self.failing.as_ref().filter(|failing| failing.id == event.id)?;
        (failing.tries >= self.options.tries).then_some(failing.fault.as_str())
    }

    /// All that were tried are done.
    pub fn succeeded(&mut self) {
        self.limit = self.options.batch.max(1);
        self.failing = None;
        self.backoff.reset();
    }

    /// One of them failed, so none is done: how long to wait before the next try.
    pub fn failed(&mut self, tried: &[Event], failure: &Failure) -> Duration {
        if failure.at > 0 {
            self.limit = failure.at; // those before it, and then it alone
            return Duration::ZERO;
        }
        self.limit = 1;
        let Some(event) = tried.first() else { return self.backoff.pause() };
        if let HandlerError::Permanent(_) = &failure.error {
            let before = self.failing.take().filter(|failing| failing.id == event.id);
            let tries = before.map_or(0, |failing| failing.tries) + 1;
            self.failing = Some(Failing { id: event.id, tries, fault: chain(&failure.error) });
            if tries >= self.options.tries {
                return Duration::ZERO; // nothing to wait for
            }
        }
        self.backoff.pause()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use protos::events::v1::UserDeleted;
    use uuid::Uuid;

    use super::*;

    fn events(count: u128) -> Vec<Event> {
        let at = DateTime::from_timestamp(1_795_435_200, 0).expect("valid");
        let event = |n| Event::new(Uuid::from_u128(n).into(), at, Uuid::from_u128(n), &UserDeleted::default());
        (1..=count).map(event).collect()
    }

    fn permanent(at: usize) -> Failure {
        Failure { at, error: HandlerError::permanent("no") }
    }

    #[test]
    fn what_comes_before_a_failing_event_is_done_without_it() {
        let (mut lane, events) = (Lane::new(ConsumerOptions::default()), events(5));
        assert_eq!(lane.failed(&events, &permanent(3)), Duration::ZERO);
        assert_eq!(lane.limit(), 3);
        lane.succeeded();
        assert_eq!(lane.limit(), ConsumerOptions::default().batch);
    }

    #[test]
    fn an_event_that_fails_for_good_is_given_up_after_a_few_tries() {
        let (mut lane, events) = (Lane::new(ConsumerOptions { tries: 3, ..ConsumerOptions::default() }), events(2));
        for _ in 0..2 {
            assert!(lane.failed(&events, &permanent(0)) > Duration::ZERO);
            assert_eq!(lane.verdict(&events[0]), None);
        }
        assert_eq!(lane.failed(&events[..1], &permanent(0)), Duration::ZERO);
        assert_eq!(lane.verdict(&events[0]), Some("no"));
        assert_eq!(lane.verdict(&events[1]), None, "the verdict is on one event");
    }

    #[test]
    fn what_passes_is_tried_for_ever() {
        let (mut lane, events) = (Lane::new(ConsumerOptions { tries: 1, ..ConsumerOptions::default() }), events(1));
        for _ in 0..100 {
            let failure = Failure { at: 0, error: HandlerError::transient("not now") };
            let pause = lane.failed(&events, &failure);
            assert!(pause > Duration::ZERO && pause <= ConsumerOptions::default().longest_pause);
            assert_eq!(lane.verdict(&events[0]), None);
        }
    }
}
