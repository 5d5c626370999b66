//! Sends what is due.
//!
//! A lane is taken, its first delivery sent, the outcome written down and the lane given back: three steps, no lock and no
//! connection held while the receiver is waited for. Who dies in between leaves a lane that comes due again; the receiver then
//! gets the same once more, under the same `webhook-id`.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use ids::{DeliveryId, WebhookId};
use metrics::{counter, gauge, histogram};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use webhooks::{Attempt, Fault, Message, Outcome, Secret, Sender, Target};

use super::context;
use crate::app::App;
use crate::model::audit::{Actor, Event, Kind};
use crate::model::webhook::State;
use crate::storage::webhook_deliveries::{self, Ended};
use crate::storage::webhook_lanes::{self, Taken, Wanted};
use crate::storage::webhooks as store;

const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// How long after the longest delivery a lane comes due again whose taker is not heard of.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a stop waits for deliveries.
const WAIT_AT_STOP: std::time::Duration = std::time::Duration::from_secs(5);

/// What sends.
pub struct Courier {
    sender: Sender,
    news: Notify,
}

impl Courier {
    /// One that sends by `sender`.
    pub fn new(sender: Sender) -> Self {
        Self { sender, news: Notify::new() }
    }

    /// There may be something to send.
    pub fn wake(&self) {
        self.news.notify_one();
    }
}

/// What is being sent by this process.
#[derive(Default)]
struct InFlight {
    tasks: JoinSet<WebhookId>,
    busy: HashMap<WebhookId, i64>,
}

impl InFlight {
    fn count(&self) -> i64 {
        i64::try_from(self.tasks.len()).unwrap_or(i64::MAX)
    }

    /// Waits until something has been sent; for ever if nothing is being sent.
    async fn landed(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(webhook)) => self.forget(webhook),
            // Which one it was is not known: what is left is counted anew as it lands.
            Some(Err(error)) => tracing::error!("a delivery panicked: {error}"),
            None => std::future::pending().await,
        }
        while let Some(done) = self.tasks.try_join_next() {
            if let Ok(webhook) = done {
                self.forget(webhook);
            }
        }
        if self.tasks.is_empty() {
            self.busy.clear();
        }
    }

    fn forget(&mut self, webhook: WebhookId) {
        if let Some(count) = self.busy.get_mut(&webhook) {
            *count -= 1;
            if *count <= 0 {
                self.busy.remove(&webhook);
            }
        }
    }
}

impl App {
    /// Sends what is due, until the process stops; what is being sent then is waited for, within bounds.
    pub async fn deliver_webhooks(self: Arc<Self>, stop: CancellationToken) {
        let mut in_flight = InFlight::default();
        let mut failing = false;
        while !stop.is_cancelled() {
            match self.launch(&mut in_flight).await {
                Ok(_) => failing = false,
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "deliveries to webhooks can't be read, they wait: {error}");
                }
                Err(_) => {}
            }
            gauge!("nova_webhook_deliveries_in_flight").set(in_flight.count() as f64);
            // After a failure the tasks that land must not make it a busy loop.
            tokio::select! {
                () = stop.cancelled() => {}
                () = in_flight.landed(), if !failing => {}
                () = self.courier.news.notified() => {}
                () = sleep(self.config.webhooks.poll_interval) => {}
            }
        }
        let landing = async { while in_flight.tasks.join_next().await.is_some() {} };
        if timeout(WAIT_AT_STOP, landing).await.is_err() {
            tracing::info!("deliveries that are under way are given up, others will repeat them");
        }
    }

    /// Takes what is due and begins to send it. Returns how much that is.
    async fn launch(self: &Arc<Self>, in_flight: &mut InFlight) -> Result<usize, pg::Error> {
        let limits = &self.config.webhooks;
        let most = i64::try_from(limits.max_in_flight).unwrap_or(i64::MAX) - in_flight.count();
        if most <= 0 {
            return Ok(0);
        }
        let now = self.clock.now();
        let busy: Vec<(WebhookId, i64)> = in_flight.busy.iter().map(|(id, count)| (*id, *count)).collect();
        let taker = DeliveryId::generate(now).uuid();
        let wanted = Wanted {
            busy: &busy,
            per_webhook: i64::try_from(limits.max_in_flight_per_webhook).unwrap_or(i64::MAX),
            most,
            taker,
            until: now + limits.timeout + GRACE,
        };
        let take = async {
            let mut tx = self.pg.begin().await?;
            let taken = webhook_lanes::take(&mut tx, &wanted, now).await?;
            tx.commit().await?;
            Ok::<_, pg::Error>(taken)
        };
        let taken = self.step(take).await?;
        let count = taken.len();
        for delivery in taken {
            *in_flight.busy.entry(delivery.lane.webhook).or_default() += 1;
            let app = Arc::clone(self);
            in_flight.tasks.spawn(async move {
                app.deliver(&delivery, taker).await;
                delivery.lane.webhook
            });
        }
        Ok(count)
    }

    async fn deliver(&self, taken: &Taken, taker: uuid::Uuid) {
        let begun = self.clock.now();
        let attempt = self.send(taken, begun).await;
        let settle = || self.settle(taken, taker, begun, &attempt);
        // Once more: that the receiver has it is worth remembering.
        let settled = match self.step(settle()).await {
            Ok(settled) => Ok(settled),
            Err(_) => self.step(settle()).await,
        };
        match settled {
            Ok(true) => {}
            Ok(false) => tracing::debug!(delivery.id = %taken.delivery, "delivery {} took too long", taken.delivery),
            Err(error) => tracing::warn!(
                delivery.id = %taken.delivery, %error,
                "what became of delivery {} can't be written, it is sent again: {error}", taken.delivery
            ),
        }
    }

    async fn send(&self, taken: &Taken, now: DateTime<Utc>) -> Attempt {
        let failed = |fault| Attempt { result: Err(fault), took: std::time::Duration::ZERO };
        let Ok(target) = Target::parse(&taken.url, self.webhook_guard().allows_private()) else {
            return failed(Fault::Forbidden); // the operator allows less than when it was entered
        };
        let (at, id) = (now.timestamp(), taken.event.to_string());
        let context = context(taken.lane.webhook);
        let secrets = [Some(&taken.secret), taken.old_secret.as_ref()].into_iter().flatten();
        let signatures = secrets.map(|sealed| {
            let secret = Secret::from_bytes(&self.master.open(&context, sealed).ok()?).ok()?;
            Some(secret.sign(&id, at, &taken.body))
        });
        let Some(signatures) = signatures.collect::<Option<Vec<String>>>() else {
            tracing::error!(webhook.id = %taken.lane.webhook, "the secret of webhook {} can't be opened", taken.lane.webhook);
            return failed(Fault::Secret);
        };
        let message = Message {
            id,
            at,
            signatures: signatures.join(" "),
            content_type: CONTENT_TYPE,
            body: Bytes::copy_from_slice(&taken.body),
        };
        self.courier.sender.send(&target, &message).await
    }

    /// Writes down what became of an attempt. False if the lane was somebody else's by then.
    async fn settle(
        &self,
        taken: &Taken,
        taker: uuid::Uuid,
        begun: DateTime<Utc>,
        attempt: &Attempt,
    ) -> Result<bool, pg::Error> {
        let now = self.clock.now();
        let id = taken.lane.webhook;
        let outcome = Outcome::of(&attempt.result);
        let retry_at = match outcome {
            Outcome::Failed(wait) => {
                let age = (now - taken.begun_at).to_std().unwrap_or_default();
                let tries = u32::try_from(taken.tries + 1).unwrap_or(1);
                self.config.webhooks.schedule().pause(tries, age).map(|pause| now + pause.max(wait))
            }
            Outcome::Delivered => None,
            // Its receiver may be put right, and the webhook enabled again: then it is tried again.
            Outcome::Gone => Some(now),
        };
        let state = match (outcome, retry_at) {
            (Outcome::Delivered, _) => State::Delivered,
            (_, Some(_)) => State::Pending,
            (_, None) => State::Failed,
        };
        let (status, fault, answer) = match &attempt.result {
            Ok(answer) => (i16::try_from(answer.status).ok(), None, answer.excerpt.as_str()),
            Err(fault) => (None, Some(fault.name()), ""),
        };
        let duration_ms = i32::try_from(attempt.took.as_millis()).unwrap_or(i32::MAX);
        let ended = Ended { at: begun, status, fault, duration_ms, answer, state };
        let mut tx = self.pg.begin().await?;
        if !webhook_lanes::lock_taken(&mut tx, &taken.lane, taker).await? {
            return Ok(false);
        }
        webhook_deliveries::record_attempt(&mut tx, taken.delivery, &ended, now).await?;
        webhook_lanes::give_back(&mut tx, &taken.lane, retry_at.unwrap_or(now)).await?;
        let is_disabled = match outcome {
            Outcome::Delivered => {
                store::note_success(&mut tx, id).await?;
                false
            }
            Outcome::Gone => store::note_gone(&mut tx, id, now).await?,
            Outcome::Failed(wait) => {
                let not_before = (!wait.is_zero()).then(|| now + wait);
                store::note_failure(&mut tx, id, not_before, now - self.config.webhooks.give_up_after, now).await?
            }
        };
        let event = is_disabled.then(|| {
            let reason = if outcome == Outcome::Gone { "GONE" } else { "FAILING" };
            Event::new(Kind::WebhookDisabling, Actor::Service(crate::NAME.to_owned()))
                .with("webhook_id", id)
                .with("cause", reason)
        });
        self.commit(tx, event).await?;
        if is_disabled {
            tracing::error!(webhook.id = %id, "webhook {id} is disabled: its receiver takes nothing");
        }
        note(outcome, state, taken, attempt);
        Ok(true)
    }

    /// Tells the metrics what waits and what is disabled.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn measure_webhooks(&self) -> Result<(), pg::Error> {
        let mut conn = self.pg.conn().await?;
        let oldest = webhook_deliveries::oldest_pending(&mut conn).await?;
        let age = oldest.map_or(0.0, |oldest| (self.clock.now() - oldest).as_seconds_f64().max(0.0));
        gauge!("nova_webhook_oldest_pending_seconds").set(age);
        gauge!("nova_webhooks_disabled").set(store::count_disabled(&mut conn).await? as f64);
        Ok(())
    }
}

fn note(outcome: Outcome, state: State, taken: &Taken, attempt: &Attempt) {
    let outcome = match (outcome, state) {
        (Outcome::Delivered, _) => "delivered",
        (Outcome::Gone, _) => "gone",
        (Outcome::Failed(_), State::Failed) => "given_up",
        (Outcome::Failed(_), _) => "failed",
    };
    counter!("nova_webhook_attempts_total", "outcome" => outcome).increment(1);
    histogram!("nova_webhook_attempt_seconds").record(attempt.took.as_secs_f64());
    if state == State::Failed {
        tracing::error!(
            delivery.id = %taken.delivery, webhook.id = %taken.lane.webhook,
            "delivery {} to webhook {} was given up; it can be replayed", taken.delivery, taken.lane.webhook
        );
    }
}
