//! From the bus into the table of deliveries: what an event means is one row for each webhook that wants it, in the transaction
//! that notes the event as acted on. So each event makes each delivery once, and in the order of its aggregate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use clock::Clock;
use events::{Bus, Consumer, Event, Handler, HandlerError, KINDS, Kind};
use ids::DeliveryId;
use sqlx::PgConnection;
use tokio::time::sleep;
use traces::Tracer;
use uuid::Uuid;

use super::envelope;
use crate::app::App;
use crate::storage::webhooks::Wish;
use crate::storage::{webhook_deliveries, webhook_lanes, webhooks};

const ALL: [Kind; KINDS.len()] = {
    let mut kinds = [KINDS[0].0; KINDS.len()];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = KINDS[at].0;
        at += 1;
    }
    kinds
};

/// An event that is so much older than a webhook was there before it; clocks differ by less.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::seconds(5);
/// How often is looked for the first webhook, and for whether there is any.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Acts on all events.
pub struct Feed {
    clock: Clock,
    wishes: Arc<Wishes>,
}

impl Feed {
    /// The consumer's name on the bus and in the inbox.
    pub const NAME: &'static str = "auth.webhooks";

    /// One that tells the time by `clock`, and knows what is wanted by `wishes`.
    pub fn new(clock: Clock, wishes: Arc<Wishes>) -> Self {
        Self { clock, wishes }
    }
}

/// What webhooks want, remembered for a moment: there are far more events than changes to webhooks.
pub struct Wishes {
    remember: Duration,
    /// Counts the changes that this process has made, so that what was read before one is not kept.
    changes: AtomicU64,
    known: Mutex<Option<(Instant, Arc<[Wish]>)>>,
}

impl Wishes {
    /// Wishes that are read again when they are so old.
    pub fn remembered_for(remember: Duration) -> Self {
        Self { remember, changes: AtomicU64::new(0), known: Mutex::default() }
    }

    /// Something has changed: they are read again.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        *self.known() = None;
    }

    async fn read(&self, conn: &mut PgConnection) -> Result<Arc<[Wish]>, pg::Error> {
        if let Some((_, wishes)) = self.known().as_ref().filter(|(at, _)| at.elapsed() < self.remember) {
            return Ok(Arc::clone(wishes));
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let wishes: Arc<[Wish]> = webhooks::list_wishes(conn).await?.into();
        let mut known = self.known();
        if changes == self.changes.load(Ordering::SeqCst) {
            *known = Some((Instant::now(), Arc::clone(&wishes)));
        }
        Ok(wishes)
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, Arc<[Wish]>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Feed {
    const KINDS: &'static [Kind] = &ALL;

    async fn handle(&self, conn: &mut PgConnection, event: &Event) -> Result<(), HandlerError> {
        let now = self.clock.now();
        let wishes = self.wishes.read(&mut *conn).await?;
        let to: Vec<_> = wishes
            .iter()
            .filter(|wish| wish.event_types.want(event) && event.time >= wish.since - CLOCKS_DIFFER_BY)
            .map(|wish| (DeliveryId::generate(now), wish.webhook))
            .collect();
        if to.is_empty() {
            return Ok(());
        }
        let body = envelope::body(event).map_err(HandlerError::permanent)?;
        let (ids, topic): (Vec<Uuid>, _) = (to.iter().map(|(_, id)| id.uuid()).collect(), event.topic.name());
        webhook_lanes::open(&mut *conn, &ids, topic, event.aggregate, now).await?;
        let new = webhook_deliveries::New {
            to: &to,
            event: event.id.uuid(),
            kind: &event.kind,
            topic,
            aggregate: event.aggregate,
            body: &body,
        };
        webhook_deliveries::insert_deliveries(conn, &new, now).await?;
        Ok(())
    }
}

impl App {
    /// Makes deliveries of the bus's events for as long as there are webhooks, for ever. While there are none nothing is read:
    /// noting every message of an installation as acted on would fill a table for nobody.
    pub async fn feed_webhooks(self: Arc<Self>, bus: Bus, tracer: Tracer) {
        let mut has_rested = false;
        loop {
            match self.step(self.oldest_webhook()).await {
                Ok(Some(since)) => {
                    if std::mem::take(&mut has_rested) {
                        self.skip_to(&bus, since).await;
                    }
                    let feed = Feed::new(self.clock.clone(), Arc::clone(&self.wishes));
                    let feed =
                        Consumer::new(Feed::NAME, self.pg.clone(), self.clock.clone(), feed).traced(tracer.clone());
                    tokio::select! {
                        () = feed.with(self.config.events.consumer_options()).run(bus.clone()) => {}
                        () = self.until_there_is_no_webhook() => {}
                    }
                }
                Ok(None) => {
                    has_rested = true;
                    sleep(LOOK_EVERY).await;
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Goes to where the first webhook begins. If that fails, what lies before is read too, and nothing made of it.
    async fn skip_to(&self, bus: &Bus, since: DateTime<Utc>) {
        let topics = Consumer::<Feed>::topics();
        if let Err(error) = events::consumer::skip(&self.pg, bus, Feed::NAME, &topics, since - CLOCKS_DIFFER_BY).await {
            tracing::info!(%error, "webhooks read older events too: {error}");
        }
    }

    async fn until_there_is_no_webhook(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            if matches!(self.step(self.oldest_webhook()).await, Ok(None)) {
                return;
            }
        }
    }

    async fn oldest_webhook(&self) -> Result<Option<DateTime<Utc>>, pg::Error> {
        webhooks::oldest_webhook(&mut *self.pg.conn().await?).await
    }
}
