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
pub mod storage;

use std::sync::Arc;

use anyhow::Context;
use authn::Verifier;
use chassis::{Lifecycle, Running, Service, Wiring};
use chrono::{DateTime, Utc};
use clock::Clock;
use pg::Pool;
use protos::auth::v1::auth_service_server::AuthServiceServer;
use sealing::MasterKey;
use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

pub use config::Config;

use app::{App, Keyring, Parts, Profiles, keyring};
use model::TokenHash;
use model::keys::SigningKey;
use storage::service_clients;

/// Error domain of every status.
pub const DOMAIN: &str = "auth.nova";
/// Name in `pg_stat_activity`, and our client id towards other services.
const NAME: &str = "auth";
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
    let master = MasterKey::from_base64(config.master_key.expose()).context("auth.master_key")?;
    let master = Arc::new(master);
    prepare(&pg, &config, &master, clock.now()).await?;

    let (issuer, audience) = (config.tokens.issuer.as_str(), config.tokens.audience.as_str());
    let verifier = wiring.verifier.unwrap_or_else(|| Arc::new(Verifier::new(clock.clone(), issuer, audience)));
    let keyring = Arc::new(Keyring::new(Arc::clone(&master), config.tokens.clone()));
    let (mails, outbox) = mail::Outbox::try_new(&config.mail)?;
    let profiles = profiles(&config, Arc::clone(&keyring), clock.clone())?;
    let parts = Parts {
        pg: pg.clone(),
        clock: clock.clone(),
        config: config.clone(),
        master,
        verifier: Arc::clone(&verifier),
        keyring,
        mails,
        profiles,
    };
    let app = Arc::new(App::try_new(parts)?);
    app.sync_tokens().await.context("the signing keys can't be read")?;
    spawn_workers(&app, outbox, &life);

    let server = grpc::Server::new(Arc::clone(&app), clock, config.max_batch);
    let server = AuthServiceServer::new(server)
        .max_decoding_message_size(config.listen.max_request_bytes)
        .accept_compressed(CompressionEncoding::Zstd)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip);
    let metrics_pg = pg.clone();
    let service = Service {
        name: NAME,
        grpc_name: "nova.auth.v1.AuthService",
        domain: DOMAIN,
        access: grpc::ACCESS,
        verifier,
        grpc: Routes::new(server),
        http: http::router(app),
        // The database has answered, and the keys are known.
        ready_after: Box::pin(async {}),
        record_metrics: Arc::new(move || metrics_pg.record_metrics()),
    };
    service.start(&config.listen, &life).await
}

/// Writes what the configuration says into the database, and sees to it that there is a signing key.
async fn prepare(pg: &Pool, config: &Config, master: &MasterKey, now: DateTime<Utc>) -> anyhow::Result<()> {
    let pem = config.tokens.private_key_pem.expose();
    let configured =
        if pem.is_empty() { None } else { Some(SigningKey::from_pem(pem).context("auth.tokens.private_key_pem")?) };
    let mut conn = pg.conn().await.context("the auth service's database does not answer")?;
    keyring::ensure_key(&mut conn, master, configured, config.tokens.algorithm, now).await?;
    drop(conn);
    let clients: Vec<(&str, TokenHash)> = config
        .service_clients
        .iter()
        .filter(|(_, secret)| !secret.is_empty())
        .map(|(client_id, secret)| (client_id.as_str(), TokenHash::of(secret.expose().as_bytes())))
        .collect();
    let mut tx = pg.begin().await?;
    service_clients::replace_clients(&mut tx, &clients, now).await?;
    Ok(tx.commit().await?)
}

/// The user service, called with tokens that we sign ourselves.
fn profiles(config: &Config, keyring: Arc<Keyring>, clock: Clock) -> anyhow::Result<Profiles> {
    let life = config.tokens.access_ttl;
    let credentials = rpc::Credentials::local(move || match keyring.service_token(NAME, clock.now()) {
        Ok(token) => Ok((token.expose_secret().to_owned(), life)),
        Err(error) => Err(Status::unavailable(error.to_string())),
    });
    let peer = rpc::Peer { url: config.peers.user_url.clone(), timeout: config.peers.timeout };
    let channel = peer.connect(credentials).context("auth.peers.user_url")?;
    Ok(Profiles::new(channel, config.peers.timeout))
}

fn spawn_workers(app: &Arc<App>, outbox: mail::Outbox, life: &Lifecycle) {
    let worker = Arc::clone(app);
    life.spawn_droppable("auth tokens", async move { worker.follow_tokens().await });
    let worker = Arc::clone(app);
    life.spawn_droppable("auth profiles", async move { worker.follow_profiles().await });
    let worker = Arc::clone(app);
    life.spawn_droppable("auth sweeper", async move { worker.keep_clean().await });
    let (worker, stop) = (Arc::clone(app), life.stopping().clone());
    life.spawn("auth mails", async move {
        outbox.run(worker, stop).await;
        Ok(())
    });
}
