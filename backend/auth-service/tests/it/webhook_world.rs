//! A receiver of webhooks, and a bus that the auth service listens to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_service::Config;
use auth_service::app::{Feed, Wishes};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chassis::config::Database;
use chrono::{DateTime, Utc};
use events::{Bus, Consumer, ConsumerOptions, Event, LOG_MIGRATOR, Log};
use ids::EventId;
use pg::Pool;
use protos::auth::v1 as pb;
use protos::auth::v1::webhook_delivery::State as DeliveryState;
use protos::events::v1::{UserDeleted, UserRegistered};
use serde_json::Value;
use testkit::{TestDatabase, eventually};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::world::{Client, Person, World};

pub const SOON: Duration = Duration::from_secs(60);

/// What a receiver was sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// How many of the signatures are this secret's, by the letter of the specification.
    pub fn signatures_of(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let mut signed = format!("{}.{}.", self.id(), self.header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.body);
        let expected = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)));
        self.header("webhook-signature").split(' ').filter(|signature| *signature == expected).count()
    }
}

/// How a receiver answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    Wait(u16, &'static str),
    Hang,
}

struct Inner {
    received: Mutex<Vec<Received>>,
    /// Answers to what comes next; then `otherwise`.
    next: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
    /// Subjects whose events are always refused.
    refused: Mutex<Vec<String>>,
    /// Answers that may be given; closed: as many as there are.
    gate: Semaphore,
}

/// Somebody who receives webhooks. It ends with the test.
pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("bound");
        let inner = Arc::new(Inner {
            received: Mutex::default(),
            next: Mutex::default(),
            otherwise: Mutex::new(Answer::Status(204)),
            refused: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let routes = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Self { url: format!("http://{address}/hook"), inner, task }
    }

    /// Answers so from now on.
    pub fn answers(&self, answer: Answer) {
        *self.inner.otherwise.lock().expect("no panic before") = answer;
    }

    /// Answers the next requests so.
    pub fn answers_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.next.lock().expect("no panic before").extend(answers);
    }

    /// Refuses what is about a subject, or takes it again.
    pub fn refuses(&self, subjects: &[Uuid]) {
        *self.inner.refused.lock().expect("no panic before") = subjects.iter().map(Uuid::to_string).collect();
    }

    /// Holds all answers back until [`Self::lets_go`].
    pub fn holds_back(&self) {
        self.inner.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn lets_go(&self) {
        self.inner.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().expect("no panic before").clone()
    }

    pub async fn eventually(&self, count: usize) -> Vec<Received> {
        let what = format!("{count} requests");
        eventually(&what, SOON, async || Some(self.received()).filter(|received| received.len() >= count)).await
    }
}

async fn receive(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap) {
    let received = Received { headers, body };
    let subject = received.json()["subject"].as_str().unwrap_or_default().to_owned();
    let is_refused = inner.refused.lock().expect("no panic before").contains(&subject);
    let next = inner.next.lock().expect("no panic before").pop_front();
    let answer = match next {
        _ if is_refused => Answer::Status(500),
        Some(answer) => answer,
        None => inner.otherwise.lock().expect("no panic before").clone(),
    };
    inner.received.lock().expect("no panic before").push(received);
    let _permit = inner.gate.acquire().await;
    let status = |code| StatusCode::from_u16(code).expect("a status");
    match answer {
        Answer::Status(code) => (status(code), HeaderMap::new()),
        Answer::Wait(code, seconds) => {
            (status(code), [(axum::http::header::RETRY_AFTER, HeaderValue::from_static(seconds))].into_iter().collect())
        }
        Answer::Hang => std::future::pending().await,
    }
}

/// What the tests change of the configuration: loopback may be sent to, and what is due is found at once.
pub fn quickly(config: &mut Config) {
    config.webhooks.allow_networks = vec!["127.0.0.0/8".to_owned()];
    config.webhooks.poll_interval = Duration::from_millis(20);
    config.webhooks.timeout = Duration::from_secs(20);
    // The clock is moved by hours.
    config.tokens.access_ttl = Duration::from_secs(24 * 60 * 60);
}

/// A bus, and the consumer that makes deliveries of its events.
pub struct Feeding {
    bus: Bus,
    _database: TestDatabase,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Feeding {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn pool(section: &Database) -> Pool {
    Pool::new(section.pool_config("webhooks-test")).expect("a valid address")
}

impl Feeding {
    pub async fn start(world: &World) -> Self {
        let database = TestDatabase::new(&LOG_MIGRATOR).await;
        let (log, worker) = Log::new(pool(&database.section()), world.clock.clone());
        let bus = Bus::Log(log);
        let options = ConsumerOptions { look_every: Duration::from_millis(20), ..ConsumerOptions::default() };
        let feed = Feed::new(world.clock.clone(), Arc::new(Wishes::remembered_for(Duration::ZERO)));
        let consumer =
            Consumer::new(Feed::NAME, pool(&world.database.section()), world.clock.clone(), feed).with(options);
        let tasks = [tokio::spawn(worker.run()), tokio::spawn(consumer.run(bus.clone()))];
        Self { bus, _database: database, tasks }
    }

    pub async fn publish(&self, events: &[Event]) {
        self.bus.publish(&events.iter().collect::<Vec<_>>()).await.expect("published");
    }
}

/// The `n`th thing that happens to somebody.
pub fn event(now: DateTime<Utc>, user: Uuid, n: usize) -> Event {
    let payload = UserRegistered { user_id: user.to_string(), username: format!("name{n}"), display_name: None };
    Event::new(EventId::generate(now), now, user, &payload)
}

pub fn deletion(now: DateTime<Utc>, user: Uuid) -> Event {
    Event::new(EventId::generate(now), now, user, &UserDeleted { user_id: user.to_string() })
}

/// Somebody whom events are about.
pub fn somebody(now: DateTime<Utc>) -> Uuid {
    EventId::generate(now).uuid()
}

/// An administrator's view of webhooks.
pub struct Desk {
    pub client: Client,
}

impl Desk {
    pub fn of(person: &Person) -> Self {
        Self { client: person.client.clone() }
    }

    /// A webhook that wants these, with its secret.
    pub async fn create(&self, url: &str, types: &[&str]) -> (pb::Webhook, String) {
        let event_types = types.iter().map(|name| (*name).to_owned()).collect();
        let request =
            pb::CreateWebhookRequest { url: url.to_owned(), event_types, description: "for tests".to_owned() };
        let made = self.client.clone().create_webhook(request).await.expect("made").into_inner();
        (made.webhook.expect("a webhook"), made.secret)
    }

    pub async fn get(&self, id: &str) -> pb::Webhook {
        let request = pb::GetWebhookRequest { webhook_id: id.to_owned() };
        self.client.clone().get_webhook(request).await.expect("found").into_inner().webhook.expect("a webhook")
    }

    pub async fn enable(&self, id: &str, enabled: bool) -> pb::Webhook {
        let request =
            pb::UpdateWebhookRequest { webhook_id: id.to_owned(), enabled: Some(enabled), ..Default::default() };
        self.client.clone().update_webhook(request).await.expect("changed").into_inner().webhook.expect("a webhook")
    }

    pub async fn deliveries(&self, id: &str) -> Vec<pb::WebhookDelivery> {
        let request = pb::ListWebhookDeliveriesRequest { webhook_id: id.to_owned(), limit: 100, ..Default::default() };
        self.client.clone().list_webhook_deliveries(request).await.expect("listed").into_inner().deliveries
    }

    pub async fn delivery(&self, id: &str) -> pb::GetWebhookDeliveryResponse {
        let request = pb::GetWebhookDeliveryRequest { delivery_id: id.to_owned() };
        self.client.clone().get_webhook_delivery(request).await.expect("found").into_inner()
    }

    /// Waits until a webhook's deliveries are so many and all in this state.
    pub async fn eventually_all(&self, id: &str, count: usize, state: DeliveryState) -> Vec<pb::WebhookDelivery> {
        let what = format!("{count} deliveries are {}", state.as_str_name());
        eventually(&what, SOON, async || {
            let deliveries = self.deliveries(id).await;
            let there = deliveries.len() == count && deliveries.iter().all(|delivery| delivery.state() == state);
            there.then_some(deliveries)
        })
        .await
    }

    /// Waits until a delivery has so many attempts and is not being tried at this moment.
    pub async fn eventually_attempts(&self, id: &str, count: usize) -> pb::GetWebhookDeliveryResponse {
        eventually(&format!("{count} attempts"), SOON, async || {
            Some(self.delivery(id).await).filter(|shown| shown.attempts.len() >= count)
        })
        .await
    }

    pub async fn replay(&self, id: &str) {
        let request = pb::ReplayWebhookDeliveryRequest { delivery_id: id.to_owned() };
        self.client.clone().replay_webhook_delivery(request).await.expect("replayed");
    }

    /// Kinds in the audit log about webhooks, oldest first.
    pub async fn audited(&self) -> Vec<String> {
        let request = pb::ListAuditEventsRequest { limit: 100, ..Default::default() };
        let events = self.client.clone().list_audit_events(request).await.expect("listed").into_inner().events;
        let kinds = events.iter().rev().map(|event| event.kind().as_str_name().to_owned());
        kinds.filter(|kind| kind.starts_with("WEBHOOK")).collect()
    }
}
