//! Tells the other replicas of a service something that may be lost, over Redis: that there is something new to look at, or a
//! notice that nobody keeps.
//!
//! Redis is never the truth. Without it, and while it is away, nothing fails: what is sent goes nowhere, and whoever relies on
//! being told looks by themself from time to time.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{Client, RedisError};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// Notices that wait for Redis; more are dropped.
const QUEUE: usize = 1024;
/// How long Redis may take for anything.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a silent Redis is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Of the sender, in front of each payload.
const ORIGIN_BYTES: usize = 8;

/// What another replica has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is something new to look at. Also when the connection is there (again): something may have been missed.
    Signal,
    /// A notice.
    Notice(Vec<u8>),
}

/// The entrance. Cheap to clone.
#[derive(Clone)]
pub struct Broadcast(Option<Arc<Shared>>);

struct Shared {
    signal: Notify,
    notices: mpsc::Sender<Vec<u8>>,
    connected: AtomicBool,
}

/// What has to be run for anything to be sent or heard.
pub struct Worker {
    shared: Arc<Shared>,
    notices: mpsc::Receiver<Vec<u8>>,
    client: Client,
    signals: String,
    payloads: String,
    origin: [u8; ORIGIN_BYTES],
}

/// An address that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("must be redis://user:password@host:port/number")]
pub struct BadAddress;

/// Checks an address without connecting to it.
///
/// # Errors
/// [`BadAddress`].
pub fn check(url: &str) -> Result<(), BadAddress> {
    Client::open(url).map(drop).map_err(|_| BadAddress)
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    #[error("the connection was closed")]
    Closed,
}

impl Broadcast {
    /// Reaches nobody: there is one replica, or no Redis.
    pub fn off() -> Self {
        Self(None)
    }

    /// An entrance whose worker is to be run; it connects when it can. `topic` is the same in all replicas of a service.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn new(url: &str, topic: &str) -> Result<(Self, Worker), BadAddress> {
        let client = Client::open(url).map_err(|_| BadAddress)?;
        let (notices, queue) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared { signal: Notify::new(), notices, connected: AtomicBool::new(false) });
        let worker = Worker {
            shared: Arc::clone(&shared),
            notices: queue,
            client,
            signals: format!("{topic}:signal"),
            payloads: format!("{topic}:notice"),
            // Tells our own words from others'; no secret.
            origin: RandomState::new().hash_one(0).to_be_bytes(),
        };
        Ok((Self(Some(shared)), worker))
    }

    /// Lets the others look. Signals that come while one is on its way are sent as one.
    pub fn signal(&self) {
        if let Some(shared) = &self.0 {
            shared.signal.notify_one();
        }
    }

    /// Sends a notice, unless too many wait already.
    pub fn notify(&self, notice: Vec<u8>) {
        if let Some(shared) = &self.0
            && shared.connected.load(Ordering::Relaxed)
        {
            // A full queue drops it: notices are worth nothing when they are late.
            let _ = shared.notices.try_send(notice);
        }
    }

    /// Whether the others can be reached right now.
    pub fn is_connected(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.connected.load(Ordering::Relaxed))
    }
}

impl Worker {
    /// Sends and hears, for ever; `hear` must return quickly.
    pub async fn run(mut self, hear: impl Fn(Heard) + Send) {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            let since = Instant::now();
            let ended = match self.connect().await {
                Ok((sender, sink, stream)) => {
                    tracing::info!("connected to Redis: other replicas are told of changes at once");
                    self.shared.connected.store(true, Ordering::Relaxed);
                    told = false;
                    hear(Heard::Signal);
                    self.talk(sender, sink, stream, &hear).await
                }
                Err(ended) => ended,
            };
            self.shared.connected.store(false, Ordering::Relaxed);
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(
                    "Redis can't be used ({ended}): other replicas look for changes by themselves meanwhile"
                );
            }
            if since.elapsed() > LONGEST_PAUSE * 4 {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, PubSubSink, PubSubStream), Ended> {
        let sender = within(self.client.get_multiplexed_async_connection()).await?;
        let (mut sink, stream) = within(self.client.get_async_pubsub()).await?.split();
        within(sink.subscribe(&[&self.signals, &self.payloads])).await?;
        Ok((sender, sink, stream))
    }

    async fn talk(
        &mut self,
        mut sender: MultiplexedConnection,
        mut sink: PubSubSink,
        mut stream: PubSubStream,
        hear: &impl Fn(Heard),
    ) -> Ended {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hearing = async || match stream.next().await {
            Some(message) => Ok((message.get_channel_name() == self.signals, message.get_payload_bytes().to_vec())),
            None => Err(Ended::Closed),
        };
        loop {
            let done = tokio::select! {
                heard = hearing() => match heard {
                    Ok((is_signal, bytes)) => {
                        if let Some((_, payload)) = bytes.split_first_chunk().filter(|(origin, _)| **origin != self.origin) {
                            hear(if is_signal { Heard::Signal } else { Heard::Notice(payload.to_vec()) });
                        }
                        Ok(())
                    }
                    Err(ended) => Err(ended),
                },
                () = self.shared.signal.notified() => publish(&mut sender, &self.signals, &self.origin, &[]).await,
                Some(notice) = self.notices.recv() => publish(&mut sender, &self.payloads, &self.origin, &notice).await,
                _ = pings.tick() => within(sink.ping::<()>()).await,
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }
}

async fn publish(
    sender: &mut MultiplexedConnection,
    channel: &str,
    origin: &[u8; ORIGIN_BYTES],
    payload: &[u8],
) -> Result<(), Ended> {
    let mut bytes = Vec::with_capacity(ORIGIN_BYTES + payload.len());
    bytes.extend_from_slice(origin);
    bytes.extend_from_slice(payload);
    within(redis::cmd("PUBLISH").arg(channel).arg(bytes).query_async(sender)).await
}

async fn within<T>(asked: impl Future<Output = Result<T, RedisError>>) -> Result<T, Ended> {
    match timeout(PATIENCE, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Ended::Silent),
    }
}
