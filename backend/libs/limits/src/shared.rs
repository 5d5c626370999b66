//! Buckets in Redis, which all replicas of a service share.
//!
//! A call is asked about in one round trip, by one script. Whoever asks never waits for a connection, and for an answer not
//! longer than [`PATIENCE`]: then there is none, and a task looks for a Redis that answers in time again.

use std::fmt::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use metrics::{Counter, counter};
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::memory::{Ask, Full};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_secs(1);
const NANOS: u64 = 1000;

/// An address of Redis that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("must be redis://user:password@host:port/number")]
pub struct BadAddress;

/// Why Redis is not asked for a while.
#[derive(Debug, thiserror::Error)]
enum Away {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("no connection within {CONNECT_WITHIN:?}")]
    Unreachable,
    #[error("no answer within {PATIENCE:?}")]
    Slow,
    #[error("an answer that makes no sense")]
    Strange,
}

/// What Redis has decided.
pub(crate) struct Answer {
    /// The bucket that is full, if any.
    pub full: Option<Full>,
    /// How full each is, in nanoseconds.
    pub fill: Vec<u64>,
}

pub(crate) struct Shared {
    client: Client,
    script: Script,
    /// What the keys of each limit begin with.
    prefixes: Vec<String>,
    link: watch::Sender<Option<Link>>,
    fallbacks: Counter,
}

#[derive(Clone)]
struct Link {
    /// Tells a connection from the one before.
    number: u64,
    connection: MultiplexedConnection,
}

impl Shared {
    /// Begins to connect. `limits` are the names of the limits in their order.
    ///
    /// # Errors
    /// [`BadAddress`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn new(url: &str, service: &str, limits: impl Iterator<Item = String>) -> Result<Arc<Self>, BadAddress> {
        let shared = Arc::new(Self {
            client: Client::open(url).map_err(|_| BadAddress)?,
            script: Script::new(include_str!("admit.lua")),
            prefixes: limits.map(|limit| format!("nova:limits:{service}:{limit}:")).collect(),
            link: watch::Sender::new(None),
            fallbacks: counter!("nova_rate_limiter_redis_fallback_total", "service" => service.to_owned()),
        });
        tokio::spawn(keep_connected(Arc::downgrade(&shared), shared.link.subscribe()));
        Ok(shared)
    }

    /// Waits until Redis has answered once.
    pub async fn connected(&self) {
        // The sender is our own.
        let _ = self.link.subscribe().wait_for(Option::is_some).await;
    }

    /// Asks; nothing if Redis is away or slow.
    pub async fn ask(&self, asks: &[Ask]) -> Option<Answer> {
        let link = self.link.borrow().clone();
        if let Some(Link { number, connection }) = link {
            match self.try_ask(connection, asks).await {
                Ok(answer) => return Some(answer),
                Err(away) => self.lose(number, &away),
            }
        }
        self.fallbacks.increment(1);
        None
    }

    async fn try_ask(&self, mut connection: MultiplexedConnection, asks: &[Ask]) -> Result<Answer, Away> {
        let mut call = self.script.prepare_invoke();
        for Ask { key, quota } in asks {
            let mut name = self.prefixes[usize::from(key.limit)].clone();
            // A string takes what is written to it.
            let _ = write!(name, "{:032x}", key.subject.bits());
            // Up, so that no more is let through than was configured.
            let interval = quota.interval.div_ceil(NANOS);
            call.key(name).arg(interval).arg(interval * (quota.tolerance / quota.interval));
        }
        let said: Vec<u64> = timeout(PATIENCE, call.invoke_async(&mut connection)).await.map_err(|_| Away::Slow)??;
        let [full, wait, ref fill @ ..] = said[..] else { return Err(Away::Strange) };
        if fill.len() != asks.len() {
            return Err(Away::Strange);
        }
        let index = usize::try_from(full).unwrap_or(usize::MAX).checked_sub(1).filter(|index| *index < asks.len());
        Ok(Answer {
            full: index.map(|index| Full { index, wait: wait * NANOS }),
            fill: fill.iter().map(|micros| micros * NANOS).collect(),
        })
    }

    /// Stops asking over this connection; told once, however many calls find it broken.
    fn lose(&self, number: u64, away: &Away) {
        let is_first = self.link.send_if_modified(|link| link.take_if(|link| link.number == number).is_some());
        if is_first {
            tracing::warn!("Redis can't be used for limits ({away}): each replica decides by itself meanwhile");
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Away> {
        let connecting = self.client.get_multiplexed_async_connection();
        let mut connection = timeout(CONNECT_WITHIN, connecting).await.map_err(|_| Away::Unreachable)??;
        let ping = redis::cmd("PING");
        timeout(PATIENCE, ping.query_async::<()>(&mut connection)).await.map_err(|_| Away::Slow)??;
        Ok(connection)
    }
}

/// Runs as long as there is somebody who asks.
async fn keep_connected(shared: Weak<Shared>, mut link: watch::Receiver<Option<Link>>) {
    let mut number = 0;
    let mut told = false;
    loop {
        let Some(here) = shared.upgrade() else { return };
        match here.connect().await {
            Ok(connection) => {
                tracing::info!("connected to Redis: replicas share their limits");
                told = true;
                number += 1;
                here.link.send_replace(Some(Link { number, connection }));
            }
            Err(away) if !std::mem::replace(&mut told, true) => {
                tracing::warn!("Redis can't be used for limits ({away}): each replica decides by itself meanwhile");
            }
            Err(_) => {}
        }
        drop(here);
        if link.wait_for(Option::is_none).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}
