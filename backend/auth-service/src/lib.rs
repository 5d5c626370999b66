//! The auth service: accounts, log-ins, tokens, roles and signing keys.
//!
//! `grpc` decodes and encodes, `app` holds the use cases, `model` the rules, `storage` the SQL.

pub mod admin;
pub mod app;
pub mod config;
pub mod grpc;
pub mod http;
pub mod mail;
pub mod metrics;
pub mod model;
pub mod root;
pub mod storage;
pub mod verify;

use std::sync::Arc;

use anyhow::Context;
use authn::Verifier;
use chassis::config::Dialer;
use chassis::{Lifecycle, Running, Service, Wiring};
use chrono::{DateTime, Utc};
use events::{Event, Outbox, Topic};
use pg::Pool;
use protos::auth::v1::auth_service_server::AuthServiceServer;
use sealing::MasterKey;
use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

pub use config::Config;
use root::root_key;

use app::{App, Audit, Courier, Holders, Keyring, Parts, Profiles, audit, keyring};
use model::TokenHash;
use model::audit_chain::AuditKey;
use model::keys::SigningKey;
use storage::service_clients;

/// Error domain of every status.
pub const DOMAIN: &str = "auth.nova";
/// Name in `pg_stat_activity`, and our client id towards other services.
const NAME: &str = "auth";
/// Full name of the gRPC service.
const GRPC_NAME: &str = "nova.auth.v1.AuthService";
/// The schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Starts the service: database, keys, workers, ports.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn start(config: Config, life: Lifecycle, wiring: Wiring) -> anyhow::Result<Running> {
    let pool_config = config.database.pool_config(NAME);
    let pg = chassis::open_database(pool_config, config.database.migrate, &MIGRATOR).await?;
    let clock = life.clock();
    let masters = config.master_keys().context("auth.master_key")?;
    let master = Arc::new(root_key(&mut *pg.conn().await?, &masters).await.context("auth.master_key")?);
    let audit_key = prepare(&pg, &config, &master, clock.now()).await?;

    let (issuer, audience) = (config.tokens.issuer.as_str(), config.tokens.audience.as_str());
    let verifier = wiring.verifier.unwrap_or_else(|| Arc::new(Verifier::new(clock.clone(), issuer, audience)));
    let keyring = Arc::new(Keyring::new(Arc::clone(&master), config.tokens.clone()));
    let (mails, outbox) = mail::Outbox::try_new(&config.mail)?;
    let bus = chassis::open_bus(NAME, &config.events, &life).await?;
    let tracer = chassis::tracer(NAME, &config.traces, &life)?;
    let news = chassis::relay(NAME, &pg, Outbox, bus.as_ref(), &tracer, &life);
    let (profiles, holders) = peers(&config, Arc::clone(&keyring), &life)?;
    let (classes, most) = (config.rate_limits.classes(), config.rate_limits.max_keys);
    let limiter = chassis::limiter(GRPC_NAME, grpc::RATES, classes, most, &config.redis, clock.clone()).await?;
    let parts = Parts {
        pg: pg.clone(),
        clock: clock.clone(),
        config: config.clone(),
        master,
        verifier: Arc::clone(&verifier),
        limiter: Arc::clone(&limiter),
        keyring,
        audit: Arc::new(Audit::new(pg.clone(), clock.clone(), audit_key)),
        mails,
        profiles,
        holders,
        courier: Courier::new(webhook_sender(&config)?),
        news,
    };
    let app = Arc::new(App::try_new(parts)?);
    app.sync_tokens().await.context("the signing keys can't be read")?;
    spawn_workers(&app, outbox, &life);
    if let Some(bus) = bus {
        life.spawn_droppable("auth webhook feed", Arc::clone(&app).feed_webhooks(bus.clone(), tracer.clone()));
        // Sessions that other replicas have ended.
        let known = Arc::clone(&verifier);
        let see = move |event: &Event| chassis::learn_of_tokens(&known, event);
        life.spawn_droppable("auth events", chassis::watch_events(bus, &[Topic::Auth], see));
    }

    let server = grpc::Server::new(Arc::clone(&app), clock, config.max_batch);
    let server = AuthServiceServer::new(server)
        .max_decoding_message_size(config.listen.max_request_bytes)
        .accept_compressed(CompressionEncoding::Zstd)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip);
    let measured = Arc::clone(&app);
    let service = Service {
        name: NAME,
        grpc_name: GRPC_NAME,
        domain: DOMAIN,
        access: grpc::ACCESS,
        verifier,
        limiter,
        grpc: grpc::with_origin(Routes::new(server)),
        http: http::router(app),
        // The database has answered, and the keys are known.
        ready_after: Box::pin(async {}),
        tracer,
        record_metrics: Arc::new(move || measured.record_metrics()),
    };
    service.start(&config.listen, &life).await
}

/// Writes what the configuration says into the database, and sees to it that there are a signing key and the audit log's.
async fn prepare(pg: &Pool, config: &Config, master: &MasterKey, now: DateTime<Utc>) -> anyhow::Result<AuditKey> {
    let pem = config.tokens.private_key_pem.expose();
    let configured =
        if pem.is_empty() { None } else { Some(SigningKey::from_pem(pem).context("auth.tokens.private_key_pem")?) };
    let mut conn = pg.conn().await.context("the auth service's database does not answer")?;
    let audit_key = audit::open_key(&mut conn, master, now).await?;
    keyring::ensure_key(&mut conn, (master, &audit_key), configured, config.tokens.algorithm, now).await?;
    drop(conn);
    let clients: Vec<(&str, TokenHash)> = config
        .service_clients
        .iter()
        .filter(|(_, secret)| !secret.is_empty())
        .map(|(client_id, secret)| (client_id.as_str(), TokenHash::of(secret.expose().as_bytes())))
        .collect();
    let mut tx = pg.begin().await?;
    service_clients::replace_clients(&mut tx, &clients, now).await?;
    tx.commit().await?;
    Ok(audit_key)
}

/// The other services, called with tokens that we sign ourselves.
fn peers(config: &Config, keyring: Arc<Keyring>, life: &Lifecycle) -> anyhow::Result<(Profiles, Holders)> {
    let (clock, token_life) = (life.clock(), config.tokens.access_ttl);
    let credentials = rpc::Credentials::local(move || match keyring.service_token(NAME, clock.now()) {
        Ok(token) => Ok((token.expose_secret().to_owned(), token_life)),
        Err(error) => Err(Status::unavailable(error.to_string())),
    });
    let peers = &config.peers;
    let dialer = Dialer::open(&peers.tls, peers.doorway.clone(), life).context("auth.peers.tls")?;
    let bounds = peers.bounds.bounds();
    let connect = |who, url: &str, name: &str| {
        anyhow::Ok(dialer.peer(url, name, peers.timeout)?.open(who, &bounds)?.with(credentials.clone()))
    };
    let users = connect("user", &peers.user_url, &peers.user_name).context("auth.peers.user_url")?;
    let messaging =
        connect("messaging", &peers.messaging_url, &peers.messaging_name).context("auth.peers.messaging_url")?;
    Ok((Profiles::new(users.clone(), messaging.clone(), peers.timeout), Holders::new(users, messaging)))
}

/// What sends events to webhooks.
fn webhook_sender(config: &Config) -> anyhow::Result<webhooks::Sender> {
    let (webhooks, resolver) = (&config.webhooks, Arc::new(webhooks::SystemResolver));
    let sender = webhooks::Sender::try_new(webhooks.guard(), webhooks.limits(), webhooks.authorities(), resolver);
    sender.context("auth.webhooks.ca")
}

fn spawn_workers(app: &Arc<App>, outbox: mail::Outbox, life: &Lifecycle) {
    let worker = Arc::clone(app);
    life.spawn_droppable("auth tokens", async move { worker.follow_tokens().await });
    let worker = Arc::clone(app);
    life.spawn_droppable("auth profiles", async move { worker.follow_profiles().await });
    let worker = Arc::clone(app);
    life.spawn_droppable("auth sweeper", async move { worker.keep_clean().await });
    let worker = Arc::clone(app);
    life.spawn_droppable("auth audit watch", async move { worker.watch_audit_log().await });
    let (worker, stop) = (Arc::clone(app), life.stopping().clone());
    life.spawn("auth audit log", async move {
        worker.follow_repeats(stop).await;
        Ok(())
    });
    let (worker, stop) = (Arc::clone(app), life.stopping().clone());
    life.spawn("auth webhooks", async move {
        worker.deliver_webhooks(stop).await;
        Ok(())
    });
    let (worker, stop) = (Arc::clone(app), life.stopping().clone());
    life.spawn("auth mails", async move {
        outbox.run(worker, stop).await;
        Ok(())
    });
}
