//! From a configuration to a service that listens.

use std::sync::Arc;

use anyhow::Context;
use authn::Verifier;
use broadcast::Broadcast;
use chassis::{Lifecycle, Running, Service, Wiring};
use events::{Bus, Consumer, Event, Relay, Topic};
use pg::{Pool, PoolConfig};
use protos::user::v1::user_service_client::UserServiceClient;
use sealing::RootKey;
use sqlx::migrate::Migrator;
use tonic::service::Routes;
use traces::Tracer;

use crate::app::App;
use crate::app::contact_view::ContactView;
use crate::app::contacts::Contacts;
use crate::app::events::Expiry;
use crate::app::listening::{self, AccountHandler};
use crate::app::outbox::{self, ConversationLog};
use crate::app::vault::Vault;
use crate::grpc::{self, Messaging};
use crate::storage::events::adjust_clock;
use crate::{Config, DOMAIN, NAME};

/// What the replicas tell each other of in Redis.
const TOPIC: &str = "nova:messaging:events";

/// Its database, and what the root key is bound to.
pub const DATABASE: &str = "nova_messaging";

/// The database of people's keys.
pub const KEYS_DATABASE: &str = "nova_keys";

/// The schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The schema of the database of people's keys.
pub static KEYS_MIGRATOR: Migrator = sqlx::migrate!("./migrations-keys");

/// Starts the service.
///
/// # Errors
/// If the database, a peer's address or a port can't be used.
pub async fn start(config: Config, life: Lifecycle, wiring: Wiring) -> anyhow::Result<Running> {
    let view = ContactView::new(config.contact.terms());
    start_with(config, life, wiring, view).await
}

/// Starts the service with a memory of contacts that somebody else in the process invalidates too.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, life: Lifecycle, wiring: Wiring, view: ContactView) -> anyhow::Result<Running> {
    let database = PoolConfig { plans_by_index: true, ..config.database.pool_config(NAME) };
    let pool = chassis::open_database(database.clone(), config.database.migrate, &MIGRATOR).await?;
    let lanes_pool = Pool::new(PoolConfig {
        application_name: format!("{NAME}-lanes"),
        max_connections: config.send.lanes,
        ..database
    })?;

    let keys = PoolConfig { plans_by_index: true, ..config.keys.pool_config(&format!("{NAME}-keys")) };
    let keys_pool = chassis::open_database(keys, config.keys.migrate, &KEYS_MIGRATOR).await?;
    let masters = config.master_keys().context("messaging.master_key")?;
    let root =
        RootKey::open(&mut *pool.conn().await?, &masters, DATABASE, None).await.context("messaging.master_key")?;
    let vault = Arc::new(Vault::new(root, pool.clone(), keys_pool.clone(), life.clock()));
    let moved = vault.move_keys().await.context("keys of an earlier release can't be moved")?;
    if moved > 0 {
        tracing::info!("{moved} people's keys were moved into the database of keys");
    }
    if adjust_clock(&mut *pool.conn().await?).await? {
        tracing::warn!("the database was restored from a dump: events go on after those that it holds");
    }

    let peers = config.peers.open(NAME, &life)?;
    let users = peers.user()?;
    let verifier = chassis::verifier(&wiring, &config.tokens, peers.auth(), &life);

    let contacts = Contacts::new(view, UserServiceClient::new(users), config.contact.timeout);
    let (classes, most) = (config.rate_limits.classes(), config.rate_limits.max_keys);
    let limiter = chassis::limiter(grpc::NAME, grpc::RATES, classes, most, &config.redis, life.clock()).await?;
    let limits = config.limits.model();
    let (pages, shape) = (config.pages(), config.send.shape());
    let (broadcast, to_replicas) = match config.redis.url.expose() {
        "" => (Broadcast::off(), None),
        url => Broadcast::new(url, TOPIC).map(|(broadcast, worker)| (broadcast, Some(worker)))?,
    };
    let terms = config.streams.terms();
    let tracer = chassis::tracer(NAME, &config.traces, &life)?;
    let bus = chassis::open_bus(NAME, &config.events, &life).await?;
    let seen = contacts.view().clone();
    let (app, workers) = App::new(
        pool.clone(),
        lanes_pool,
        life.clock(),
        limits,
        pages,
        contacts,
        shape,
        Arc::clone(&vault),
        terms,
        broadcast,
        tracer.clone(),
    );
    life.spawn_once("sealing", async move { vault.seal_the_old().await });
    life.spawn_droppable("event-follower", workers.follower.run());
    let expiry = Expiry::new(pool.clone(), life.clock(), config.streams.retention());
    let expiry = if bus.is_some() { expiry.holding_for_the_bus() } else { expiry };
    life.spawn_droppable("event-expiry", expiry.run());
    if let Some(worker) = to_replicas {
        life.spawn_droppable("broadcast", worker.run(app.events().hearing()));
    }
    for lane in workers.lanes {
        let stop = life.stopping().clone();
        life.spawn("send-lane", async move {
            lane.run(stop).await;
            Ok(())
        });
    }
    let app = Arc::new(app);
    if let Some(bus) = bus {
        join(bus, &app, (seen, Arc::clone(&verifier), tracer.clone()), &pool, &config, &life);
    }
    let measured = Arc::clone(&app);
    let service = Service {
        name: NAME,
        grpc_name: grpc::NAME,
        domain: DOMAIN,
        access: grpc::ACCESS,
        verifier: Arc::clone(&verifier),
        limiter,
        grpc: Routes::new(Messaging::service(app, config.listen.max_request_bytes)),
        http: axum::Router::new(),
        ready_after: chassis::all_answer([pool, keys_pool], verifier),
        tracer,
        record_metrics: Arc::new(move || measured.record_metrics()),
    };
    service.start(&config.listen, &life).await
}

/// Publishes what happens here, and hears of what happens elsewhere: one replica acts on it, each forgets what it remembers.
fn join(
    bus: Bus,
    app: &Arc<App>,
    (view, verifier, tracer): (ContactView, Arc<Verifier>, Tracer),
    pool: &Pool,
    config: &Config,
    life: &Lifecycle,
) {
    let relay = Relay::new(NAME, pool.clone(), ConversationLog, bus.clone(), life.clock());
    let relay = relay.with(outbox::options()).traced(tracer.clone());
    life.spawn_droppable("event-relay", relay.run());
    let handler = AccountHandler(Arc::clone(app));
    let consumer = Consumer::new(listening::CONSUMER, pool.clone(), life.clock(), handler).traced(tracer);
    life.spawn_droppable("event-consumer", consumer.with(config.events.consumer_options()).run(bus.clone()));
    let see = move |event: &Event| {
        chassis::learn_of_tokens(&verifier, event);
        listening::learn_contact(&view, event);
    };
    life.spawn_droppable("messaging events", chassis::watch_events(bus, &[Topic::Auth, Topic::User], see));
}
