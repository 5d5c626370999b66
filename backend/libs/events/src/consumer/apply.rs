//! Some events of one stream, in one transaction.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use sqlx::PgConnection;
use tokio::time::timeout;

use super::lane::{Failure, Lane};
use super::{Consumer, Handler, HandlerError, dead_letters, inbox};
use crate::chain::chain;
use crate::{Event, trace};

impl<H: Handler> Consumer<H> {
    /// Acts on events of one topic, in order, and notes that. After an error nothing of it may be committed. The consumer's place
    /// in the topic must be locked, against a redrive at least.
    pub(super) async fn apply(&self, conn: &mut PgConnection, events: &[Event], lane: &Lane) -> Result<(), Failure> {
        let wanted: Vec<&Event> = events.iter().filter(|event| self.wants(event)).collect();
        let Some(first) = wanted.first() else { return Ok(()) };
        let now = self.clock.now();
        let in_general = |error: pg::Error| Failure { at: 0, error: HandlerError::transient(error) };
        let mut new = inbox::note(conn, self.name, &wanted, now).await.map_err(in_general)?;
        let mut stuck = dead_letters::stuck(conn, self.name, first.topic, &wanted).await.map_err(in_general)?;
        for (at, event) in events.iter().enumerate().filter(|(_, event)| self.wants(event)) {
            if !new.remove(&event.id) {
                self.count("repeated");
                continue;
            }
            let failed = |error| Failure { at, error };
            if let Some(fault) = lane.verdict(event) {
                dead_letters::add(conn, self.name, event, Some(fault), now).await.map_err(in_general)?;
                tracing::error!(
                    event.id = %event.id, event.kind = event.kind,
                    "{} could not act on event {}, it is among the dead letters: {fault}", self.name, event.id
                );
                stuck.insert(event.aggregate);
                self.count("dead");
            } else if stuck.contains(&event.aggregate) {
                dead_letters::add(conn, self.name, event, None, now).await.map_err(in_general)?;
                self.count("behind");
            } else {
                self.handle(conn, event).await.map_err(failed)?;
                self.count("handled");
            }
        }
        Ok(())
    }

    /// Has the handler act on one event: in time, and without a panic.
    pub(super) async fn handle(&self, conn: &mut PgConnection, event: &Event) -> Result<(), HandlerError> {
        let span = trace::process(&self.tracer, self.name, self.system, event);
        let handling = AssertUnwindSafe(self.handler.handle(conn, event)).catch_unwind();
        let handling = traces::scope(trace::current(span.as_ref(), event), handling);
        let outcome = match timeout(self.options.handle_within, handling).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(HandlerError::permanent("the handler panicked")),
            Err(_) => {
                Err(HandlerError::transient(format!("handling took longer than {:?}", self.options.handle_within)))
            }
        };
        if let Some(span) = span {
            trace::processed(&span, outcome.is_ok());
        }
        if let Err(error) = &outcome {
            metrics::counter!("nova_consumer_failures_total", "consumer" => self.name).increment(1);
            tracing::warn!(
                event.id = %event.id, event.kind = event.kind,
                "{} failed to act on event {}: {}", self.name, event.id, chain(error)
            );
        }
        outcome
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("nova_consumer_events_total", "consumer" => self.name, "outcome" => outcome).increment(1);
    }

    /// Counts that `bus` could not be followed, and tells it once; `is_away` is whether it was told.
    pub(super) fn away(&self, is_away: &mut bool, bus: &str, error: &(dyn std::error::Error + 'static)) {
        metrics::counter!("nova_consumer_away_total", "consumer" => self.name).increment(1);
        if !std::mem::replace(is_away, true) {
            tracing::warn!("{} can't follow {bus}, events wait: {}", self.name, chain(error));
        }
    }

    /// Notes since when the oldest event of a topic is there that waits; none waits: 0.
    pub(super) fn note_lag(&self, oldest: Option<DateTime<Utc>>, topic: crate::Topic) {
        let age = oldest.map_or(0.0, |oldest| (self.clock.now() - oldest).as_seconds_f64().max(0.0));
        metrics::gauge!("nova_consumer_lag_seconds", "consumer" => self.name, "topic" => topic.name()).set(age);
    }
}
