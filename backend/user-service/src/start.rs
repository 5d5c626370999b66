//! From a configuration to a service that listens.

use std::sync::Arc;

use authn::Verifier;
use broadcast::Broadcast;
use chassis::config::OpenPeers;
use chassis::{Lifecycle, Running, Service, Wiring};
use events::{Bus, Consumer, Event, Outbox, Topic, Wake};
use pg::Pool;
use protos::user::v1::user_service_server::UserServiceServer;
use rpc::PeerChannel;
use sqlx::migrate::Migrator;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use traces::Tracer;

use crate::app::accounts::{self, AccountHandler};
use crate::app::{App, Batches};
use crate::grpc::{ACCESS, RATES, Server};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::peers::{Accounts, Contacts};
use crate::{Config, DOMAIN};

/// Its database, where Nova finds or makes it by itself.
pub const DATABASE: &str = "nova_user";

/// The service's schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

const NAME: &str = "user";
/// What the replicas tell each other of in Redis.
const TOPIC: &str = "nova:user:changes";
/// Full name of the gRPC service.
const GRPC_NAME: &str = "nova.user.v1.UserService";

/// Starts the service: schema, pool, peers, ports.
///
/// # Errors
/// If the database or its schema can't be used, a peer's address can't be read, or a port can't be taken.
pub async fn start(config: Config, life: Lifecycle, wiring: Wiring) -> anyhow::Result<Running> {
    let pool_config = config.database.pool_config(NAME);
    let pool = chassis::open_database(pool_config, config.database.migrate, &MIGRATOR).await?;
    let peers = config.peers.open(NAME, &life)?;
    let auth = peers.auth();
    let verifier = chassis::verifier(&wiring, &config.tokens, auth.clone(), &life);
    let (classes, most) = (config.rate_limits.classes(), config.rate_limits.max_keys);
    let limiter = chassis::limiter(GRPC_NAME, RATES, classes, most, &config.redis, life.clock()).await?;
    let bus = chassis::open_bus(NAME, &config.events, &life).await?;
    let tracer = chassis::tracer(NAME, &config.traces, &life)?;
    let news = chassis::relay(NAME, &pool, Outbox, bus.as_ref(), &tracer, &life);
    let app = Arc::new(app(&config, &life, &wiring, (pool.clone(), news), auth, &peers)?);
    let measured = Arc::clone(&app);
    if let Some(bus) = bus {
        listen(bus, &app, &config, (&verifier, &tracer), &life);
    }

    let grpc = UserServiceServer::new(Server::new(app))
        .max_decoding_message_size(config.listen.max_request_bytes)
        .accept_compressed(CompressionEncoding::Zstd)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip);
    let service = Service {
        name: NAME,
        grpc_name: GRPC_NAME,
        domain: DOMAIN,
        access: ACCESS,
        verifier: Arc::clone(&verifier),
        limiter,
        grpc: Routes::new(grpc),
        http: axum::Router::new(),
        ready_after: chassis::all_answer([pool], verifier),
        tracer,
        record_metrics: Arc::new(move || measured.record_metrics()),
    };
    service.start(&config.listen, &life).await
}

/// What is remembered, and the worker that lets replicas hear of each other's changes.
fn memory(config: &Config, life: &Lifecycle) -> anyhow::Result<Memory> {
    let (profiles, hiders) = config.cache.terms();
    let url = config.redis.url.expose();
    if url.is_empty() {
        return Ok(Memory::new(profiles, hiders, Broadcast::off()));
    }
    let (broadcast, worker) = Broadcast::new(url, TOPIC)?;
    let memory = Memory::new(profiles, hiders, broadcast);
    life.spawn_droppable("broadcast", worker.run(memory.hearing()));
    Ok(memory)
}

/// Hears what the auth service and other replicas tell: one replica makes and ends profiles, each forgets what it remembers.
fn listen(bus: Bus, app: &Arc<App>, config: &Config, (verifier, tracer): (&Arc<Verifier>, &Tracer), life: &Lifecycle) {
    let handler = AccountHandler(Arc::clone(app));
    let consumer = Consumer::new(accounts::CONSUMER, app.pool.clone(), life.clock(), handler).traced(tracer.clone());
    life.spawn_droppable("event-consumer", consumer.with(config.events.consumer_options()).run(bus.clone()));
    let (app, verifier) = (Arc::clone(app), Arc::clone(verifier));
    let see = move |event: &Event| {
        chassis::learn_of_tokens(&verifier, event);
        app.see(event);
    };
    life.spawn_droppable("user events", chassis::watch_events(bus, &[Topic::Auth, Topic::User], see));
}

fn app(
    config: &Config,
    life: &Lifecycle,
    wiring: &Wiring,
    (pool, news): (Pool, Wake),
    auth: PeerChannel,
    peers: &OpenPeers,
) -> anyhow::Result<App> {
    let metrics = Metrics::register();
    let contacts = match &wiring.on_contact_change {
        Some(hook) => Contacts::by_hook(Arc::clone(hook), metrics.clone()),
        None => Contacts::by_call(peers.messaging()?, metrics.clone()),
    };
    Ok(App {
        pool,
        clock: life.clock(),
        accounts: Accounts::new(auth, metrics.clone()),
        contacts,
        paging: config.paging.limits(),
        batches: Batches { profiles: config.max_batch, contacts: config.max_contacts },
        memory: memory(config, life)?,
        news,
        metrics,
    })
}
