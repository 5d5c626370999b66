//! Deliveries: shown, sent again, tested.

use authn::Caller;
use chrono::{DateTime, Utc};
use ids::{DeliveryId, EventId, WebhookId};
use pg::page::{Binding, Page};
use sqlx::PgConnection;
use tracing::instrument;

use super::{Error, envelope};
use crate::app::App;
use crate::model::audit::{Event, Kind};
use crate::model::webhook::{Attempt, Delivery, State, Webhook};
use crate::storage::{webhook_deliveries as store, webhook_lanes, webhooks};

/// Attempts that are shown of a delivery.
const SHOWN_ATTEMPTS: i64 = 100;

/// A delivery with all that is known of it.
pub struct Shown {
    /// The delivery.
    pub delivery: Delivery,
    /// What is sent.
    pub body: Vec<u8>,
    /// Its newest attempts, newest first.
    pub attempts: Vec<Attempt>,
}

impl App {
    /// A page of deliveries, newest first, and the token of the next one.
    #[instrument(skip_all)]
    pub async fn list_webhook_deliveries(
        &self,
        caller: &Caller,
        (webhook, state): (Option<WebhookId>, Option<State>),
        limit: i32,
        page_token: &str,
    ) -> Result<(Vec<Delivery>, String), Error> {
        caller.must_be_admin()?;
        let binding = Binding::new("ListWebhookDeliveries")
            .arg(webhook.map(|id| id.to_string()).unwrap_or_default())
            .arg(state.map_or("", State::name));
        let page: Page<i64> = Page::parse(self.config.paging.limits(), limit, 0, page_token, binding)?;
        let mut conn = self.pg.conn().await?;
        let rows = store::list_deliveries(&mut conn, webhook, state, page.after().copied(), page.fetch()).await?;
        Ok(page.finish(rows, |delivery| delivery.position))
    }

    /// A delivery, what it sends and its attempts.
    #[instrument(skip_all, fields(delivery.id = %id))]
    pub async fn webhook_delivery(&self, caller: &Caller, id: DeliveryId) -> Result<Shown, Error> {
        caller.must_be_admin()?;
        let mut tx = self.pg.begin().await?;
        store::see_one_moment(&mut tx).await?;
        let delivery = store::find_delivery(&mut tx, id).await?.ok_or(Error::DeliveryNotFound(id))?;
        let body = store::find_body(&mut tx, id).await?;
        let attempts = store::list_attempts(&mut tx, id, SHOWN_ATTEMPTS).await?;
        tx.commit().await?;
        Ok(Shown { delivery, body, attempts })
    }

    /// Sends a webhook an event that says nothing.
    #[instrument(skip_all, fields(webhook.id = %id))]
    pub async fn send_test_event(&self, caller: &Caller, id: WebhookId) -> Result<Delivery, Error> {
        caller.must_be_admin()?;
        let now = self.clock.now();
        let (event, delivery) = (EventId::generate(now), DeliveryId::generate(now));
        let mut tx = self.pg.begin().await?;
        enabled(&mut tx, id).await?;
        // Each test has a lane of its own: one that fails holds up no other.
        webhook_lanes::open(&mut tx, &[id.uuid()], envelope::TEST_TOPIC, event.uuid(), now).await?;
        let new = store::New {
            to: &[(delivery, id)],
            event: event.uuid(),
            kind: envelope::TEST_KIND,
            topic: envelope::TEST_TOPIC,
            aggregate: event.uuid(),
            body: &envelope::test_body(event, id, &clock::rfc3339(now)),
        };
        store::insert_deliveries(&mut tx, &new, now).await?;
        let made = store::find_delivery(&mut tx, delivery).await?.ok_or(Error::DeliveryNotFound(delivery))?;
        let event = Event::by(caller, Kind::WebhookTest).with("webhook_id", id).with("delivery_id", delivery);
        self.commit(tx, [event]).await?;
        self.courier.wake();
        Ok(made)
    }

    /// Sends a delivery again.
    #[instrument(skip_all, fields(delivery.id = %id))]
    pub async fn replay_webhook_delivery(&self, caller: &Caller, id: DeliveryId) -> Result<Delivery, Error> {
        caller.must_be_admin()?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let found = store::find_delivery(&mut tx, id).await?.ok_or(Error::DeliveryNotFound(id))?;
        enabled(&mut tx, found.webhook).await?;
        webhook_lanes::hurry(&mut tx, found.webhook, &[(found.topic, found.aggregate)], now).await?;
        store::restart_delivery(&mut tx, id, now).await?;
        let replayed = store::find_delivery(&mut tx, id).await?.ok_or(Error::DeliveryNotFound(id))?;
        let event = Event::by(caller, Kind::WebhookReplay).with("webhook_id", found.webhook).with("delivery_id", id);
        self.commit(tx, [event]).await?;
        self.courier.wake();
        Ok(replayed)
    }

    /// Sends again what was made for a webhook since a time: all of it, or what has not arrived. Returns how much that is.
    #[instrument(skip_all, fields(webhook.id = %id))]
    pub async fn replay_webhook_deliveries(
        &self,
        caller: &Caller,
        id: WebhookId,
        since: DateTime<Utc>,
        delivered: bool,
    ) -> Result<u64, Error> {
        caller.must_be_admin()?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        enabled(&mut tx, id).await?;
        let lanes = store::list_lanes_since(&mut tx, id, since, delivered).await?;
        webhook_lanes::hurry(&mut tx, id, &lanes, now).await?;
        let count = store::restart_since(&mut tx, id, since, delivered, now).await?;
        if count > 0 {
            let event = Event::by(caller, Kind::WebhookReplay).with("webhook_id", id).with("count", count);
            self.commit(tx, [event]).await?;
            self.courier.wake();
        }
        Ok(count)
    }
}

async fn enabled(conn: &mut PgConnection, id: WebhookId) -> Result<Webhook, Error> {
    let webhook = webhooks::find_webhook(conn, id).await?.ok_or(Error::NotFound(id))?;
    if webhook.disabled.is_some() { Err(Error::Disabled(id)) } else { Ok(webhook) }
}
