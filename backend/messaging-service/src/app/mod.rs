//! Use cases, one file a resource. Who may do what is decided here; what a member may see is decided in SQL, by live
//! membership.

pub mod contact_view;
pub mod contacts;
pub mod conversations;
pub mod erasure;
pub mod events;
pub mod export;
mod lane_trace;
pub mod lanes;
pub mod listening;
pub mod members;
pub mod messages;
pub mod outbox;
pub mod reads;
pub mod send;
pub mod vault;

use std::sync::Arc;

use authn::{Caller, Denied};
use broadcast::Broadcast;
use cache::Meter;
use clock::Clock;
use ids::{ConversationId, UserId};
use pg::page::Limits as PageLimits;
use pg::{Pool, Tx};
use traces::Tracer;

use crate::metrics::Metrics;
use crate::model::Limits;
use crate::storage::conversations::{self as stored, Facts};
use contact_view::Gate;
use contacts::Contacts;
use events::{Events, Follower, Terms};
use lanes::{Lane, Lanes, Shape};
use vault::Vault;

/// Conversations whose unchanging facts are remembered.
const REMEMBERED_CONVERSATIONS: u64 = 100_000;

/// Everything that a call needs.
pub struct App {
    pg: Pool,
    /// The lanes' own connections.
    lanes_pg: Pool,
    clock: Clock,
    limits: Limits,
    pages: Pages,
    facts: moka::sync::Cache<ConversationId, Facts>,
    facts_meter: Meter,
    vault: Arc<Vault>,
    contacts: Contacts,
    /// Of edits; the lanes have their own.
    gate: Gate,
    lanes: Lanes,
    events: Arc<Events>,
    metrics: Arc<Metrics>,
}

/// What has to be run for the app to work.
pub struct Workers {
    /// The writers.
    pub lanes: Vec<Lane>,
    /// What hands out events.
    pub follower: Follower,
}

/// Page sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Of messages.
    pub messages: PageLimits,
    /// Of everything else.
    pub others: PageLimits,
}

impl App {
    /// The app, and the workers that have to be run; `lanes_pg` has a connection for each lane.
    #[expect(clippy::too_many_arguments, reason = "the parts of a service, put together once")]
    pub fn new(
        pg: Pool,
        lanes_pg: Pool,
        clock: Clock,
        limits: Limits,
        pages: Pages,
        contacts: Contacts,
        shape: Shape,
        vault: Arc<Vault>,
        terms: Terms,
        broadcast: Broadcast,
        tracer: Tracer,
    ) -> (Self, Workers) {
        let metrics = Arc::new(Metrics::register());
        let (events, follower) = Events::new(&pg, &vault, terms, (broadcast, tracer), clock.now(), &metrics);
        let events = Arc::new(events);
        let (lanes, workers) = Lanes::new(shape, &lanes_pg, &clock, contacts.view(), &events, &metrics);
        let (facts, facts_meter) = (moka::sync::Cache::new(REMEMBERED_CONVERSATIONS), Meter::new("conversations"));
        let gate = contacts.view().new_gate();
        let workers = Workers { lanes: workers, follower };
        (
            Self {
                pg,
                lanes_pg,
                clock,
                limits,
                pages,
                facts,
                facts_meter,
                vault,
                contacts,
                gate,
                lanes,
                events,
                metrics,
            },
            workers,
        )
    }

    /// The streams.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Commits a change that has been noted in the log, and lets the streams look.
    async fn commit(&self, tx: Tx) -> Result<(), pg::Error> {
        tx.commit().await?;
        self.events.wake();
        Ok(())
    }

    /// The bounds that requests are checked against.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Page sizes.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Forgets who may write to whom between two people, or between one and everybody. When it returns, no direct
    /// message is stored or edited any more because of what was known before.
    pub async fn invalidate_contact(&self, user: UserId, other: Option<UserId>) {
        self.contacts.view().invalidate(user, other);
        self.contacts.view().settle().await;
    }

    /// What never changes about a conversation; remembered, so that a send needs one round trip.
    async fn facts_of(&self, conversation: ConversationId) -> Result<Option<Facts>, pg::Error> {
        if let Some(facts) = self.facts.get(&conversation) {
            self.facts_meter.hit();
            return Ok(Some(facts));
        }
        self.facts_meter.miss();
        let mut conn = self.pg.conn().await?;
        let facts = stored::facts_of(&mut conn, conversation).await?;
        if let Some(facts) = facts {
            self.facts.insert(conversation, facts);
        }
        Ok(facts)
    }

    /// Writes gauges into the metrics.
    pub fn record_metrics(&self) {
        self.pg.record_metrics();
        self.lanes_pg.record_metrics();
        self.metrics.send_waiting(self.lanes.waiting(), self.lanes.capacity());
        self.events.record_metrics(&self.metrics);
        self.facts.run_pending_tasks();
        self.facts_meter.entries(self.facts.entry_count());
        self.vault.record_metrics();
        self.contacts.view().record_metrics();
    }
}

/// Whom a call acts for: who is named, if the caller may act for them, else the caller.
fn acting(caller: &Caller, named: Option<UserId>) -> Result<UserId, Denied> {
    match named {
        Some(user) => caller.must_be(user).map(|()| user),
        None => caller.person(),
    }
}

/// How many of the first rows fit into `max` bytes; one always does.
fn fitting<T>(rows: &[T], max: usize, bytes: impl Fn(&T) -> usize) -> u32 {
    let mut total = 0usize;
    let fits = |row: &&T| {
        total = total.saturating_add(bytes(row));
        total <= max
    };
    let count = rows.iter().take_while(fits).count().max(1);
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_page_holds_what_fits_and_never_nothing() {
        let fit = |rows: &[usize]| fitting(rows, 10, |bytes| *bytes);
        assert_eq!(
            (fit(&[]), fit(&[11, 1]), fit(&[10, 1]), fit(&[5, 5, 0, 1]), fit(&[usize::MAX, 1])),
            (1, 1, 1, 3, 1)
        );
    }
}
