//! An event bus for one test, and what is told on it.

use std::time::Duration;

use chassis::config::{Database, Events};
use clock::Clock;
use events::{Bus, Event, LOG_MIGRATOR, Log, Tap, Topic};
use pg::Pool;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{ChaosProxy, TestDatabase};

/// How long an event may take that will come.
const SOON: Duration = Duration::from_secs(60);

/// A log of events that can be cut off from the services, and an ear on it that is not.
pub struct EventLog {
    proxy: ChaosProxy,
    url: String,
    bus: Bus,
    tap: Mutex<Tap>,
    worker: JoinHandle<()>,
}

impl EventLog {
    /// An empty log.
    ///
    /// # Panics
    /// If there is no PostgreSQL to be had.
    pub async fn new() -> Self {
        let database = TestDatabase::new(&LOG_MIGRATOR).await;
        let (proxy, url) = ChaosProxy::before_postgres(&database.url).await;
        let pool = Pool::new(database.section().pool_config("test")).expect("a database address");
        let (log, worker) = Log::new(pool, Clock::system());
        let bus = Bus::Log(log);
        let tap = Mutex::new(bus.tap(&Topic::ALL).await.expect("the test's own server answers"));
        Self { proxy, url, bus, tap, worker: tokio::spawn(worker.run()) }
    }

    /// The configuration section that makes a service use it.
    pub fn section(&self) -> Events {
        let database = Database { url: self.url.as_str().into(), ..Events::default().database };
        Events { database, ..Events::default() }
    }

    /// The bus, for a test that tells something itself.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Cuts the services off from it until [`Self::mend`].
    pub fn cut(&self) {
        self.proxy.cut();
    }

    /// Lets the services reach it again.
    pub fn mend(&self) {
        self.proxy.mend();
    }

    /// Waits for the next event that was not looked at yet.
    ///
    /// # Panics
    /// If none comes.
    pub async fn next(&self) -> Event {
        timeout(SOON, async { self.tap.lock().await.next().await }).await.expect("an event")
    }

    /// Waits for the next `count` events.
    ///
    /// # Panics
    /// If they do not come.
    pub async fn take(&self, count: usize) -> Vec<Event> {
        let mut events = vec![];
        for _ in 0..count {
            events.push(self.next().await);
        }
        events
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.worker.abort();
    }
}
