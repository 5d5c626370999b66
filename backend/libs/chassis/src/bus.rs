//! The event bus as a service uses it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use authn::Verifier;
use chrono::DateTime;
use events::{Bus, Event, Kafka, LOG_MIGRATOR, Log, LogWorker, Relay, Source, Topic, Wake};
use ids::SessionId;
use metrics::{describe_gauge, gauge};
use pg::{Pool, PoolConfig};
use protos::events::v1::{KeysRotated, SessionRevoked};
use tokio::time::sleep;
use traces::Tracer;

use crate::Lifecycle;
use crate::config::Events;

/// How often a log that can't be prepared is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// The bus that is configured; none if none is. A bus that does not answer holds nobody up: it is there as soon as it answers.
///
/// # Errors
/// If its address can't be read, or a migration of it is pending that may not be applied.
pub async fn open_bus(service: &'static str, config: &Events, life: &Lifecycle) -> anyhow::Result<Option<Bus>> {
    let has_bus = !config.kafka.brokers.is_empty() || !config.database.url.is_empty();
    describe_gauge!("nova_event_bus_configured", "1 where the service has an event bus; 0: its events wait");
    gauge!("nova_event_bus_configured", "client" => service).set(f64::from(u8::from(has_bus)));
    if !config.kafka.brokers.is_empty() {
        let kafka = Kafka::new(config.kafka.config()).with_context(|| format!("{service}.events.kafka"))?;
        return Ok(Some(Bus::Kafka(kafka)));
    }
    if config.database.url.is_empty() {
        tracing::warn!(service, "the {service} service has no event bus: what it has to tell waits in its database");
        return Ok(None);
    }
    let pool_config = config.database.pool_config(&format!("{service}-events"));
    let pool = Pool::new(pool_config.clone())?;
    let measured = pool.clone();
    life.on_scrape(Arc::new(move || measured.record_metrics()));
    let (log, worker) = Log::new(pool, life.clock());
    let worker = worker.keeping(config.retention);
    let prepared = prepare(&pool_config, config.database.migrate).await?;
    life.spawn_droppable("event-log", keep(pool_config, config.database.migrate, prepared, worker));
    Ok(Some(Bus::Log(log)))
}

/// Applies what is pending, or refuses to go on without it. False if the database does not answer.
async fn prepare(config: &PoolConfig, migrate: bool) -> anyhow::Result<bool> {
    let pending = if migrate {
        pg::migrate(config, &LOG_MIGRATOR).await.map(|()| 0)
    } else {
        pg::pending(config, &LOG_MIGRATOR).await
    };
    match pending {
        Err(error) if error.is_unavailable() => Ok(false),
        pending => {
            let pending = pending.context("the event log's database can't be prepared")?;
            ensure!(pending == 0, "{pending} migrations of the event log are pending: run `nova migrate` first");
            Ok(true)
        }
    }
}

/// Works beside the log, as soon as it is as it has to be.
async fn keep(config: PoolConfig, migrate: bool, mut is_prepared: bool, worker: LogWorker) {
    if !is_prepared {
        tracing::warn!("the event log does not answer, events wait until it does");
    }
    while !is_prepared {
        sleep(TRY_AGAIN).await;
        is_prepared = prepare(&config, migrate).await.unwrap_or_else(|error| {
            tracing::error!("{error:#}");
            false
        });
    }
    worker.run().await;
}

/// Carries the events of `source`, in `pool`'s database, to the bus for as long as the process lives; without a bus they wait.
/// `name` is the same in all replicas. Who has written some says so by what is handed out, after the commit.
pub fn relay<S: Source + Sync>(
    name: &'static str,
    pool: &Pool,
    source: S,
    bus: Option<&Bus>,
    tracer: &Tracer,
    life: &Lifecycle,
) -> Wake {
    let Some(bus) = bus else { return Wake::default() };
    let relay = Relay::new(name, pool.clone(), source, bus.clone(), life.clock()).traced(tracer.clone());
    let wake = relay.wake();
    life.spawn_droppable("event-relay", relay.run());
    wake
}

/// Shows every event on `topics` from now on to `see`, in this process alone: for what it keeps in memory. Goes on for ever.
pub async fn watch_events(bus: Bus, topics: &'static [Topic], see: impl Fn(&Event) + Send) {
    let mut tap = loop {
        match bus.tap(topics).await {
            Ok(tap) => break tap,
            Err(error) => tracing::debug!("the event bus can't be listened to yet: {error}"),
        }
        sleep(TRY_AGAIN).await;
    };
    loop {
        see(&tap.next().await);
    }
}

/// Does what an event means for tokens: those of a session that has ended are refused, and another signing key is fetched. It is
/// sooner than by asking the auth service again and again, which goes on and is what bounds how late it may be
/// ([`rpc::follow_token_state`]).
pub fn learn_of_tokens(verifier: &Verifier, event: &Event) {
    if event.is::<KeysRotated>() {
        return verifier.expect_keys();
    }
    let Ok(ended) = event.decode::<SessionRevoked>() else { return };
    let until = DateTime::parse_from_rfc3339(&ended.forget_after);
    match (SessionId::parse(&ended.session_id), until) {
        (Ok(session), Ok(until)) => verifier.revoke(session, until.to_utc()),
        _ => tracing::warn!(event.id = %event.id, "event {} names no session", event.id),
    }
}
