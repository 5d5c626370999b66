//! Two services' worth of tables in one database, a bus, and a handler that can be told to fail.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clock::Clock;
use events::{
    Bus, Consumer, ConsumerOptions, Event, Handler, HandlerError, Kind, LOG_MIGRATOR, Log, Outbox, Payload, Relay,
    RelayOptions, outbox,
};
use ids::EventId;
use pg::{Pool, PoolConfig};
use protos::events::v1::{MessageSent, UserBlocked};
use sqlx::migrate::Migrator;
use sqlx::{Executor, PgConnection};
use testkit::{ChaosProxy, TestDatabase, eventually};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

static SCHEMA: Migrator = sqlx::migrate!("./schema");
pub const SOON: Duration = Duration::from_secs(60);

/// Ends with what holds it.
pub struct Task(JoinHandle<()>);

impl Task {
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub fn pool(url: &str) -> Pool {
    Pool::new(PoolConfig {
        url: url.to_owned(),
        application_name: "events-test".to_owned(),
        max_connections: 8,
        acquire_timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(30),
        pgbouncer: false,
        plans_by_index: false,
    })
    .expect("a valid address")
}

/// Where a test's bus is, and a proxy before it.
pub enum Medium {
    Log {
        database: TestDatabase,
        proxy: ChaosProxy,
        url: String,
    },
    #[cfg(feature = "kafka")]
    Kafka {
        broker: testkit::KafkaBroker,
    },
}

pub struct World {
    _database: TestDatabase,
    pub pool: Pool,
    pub clock: Clock,
    pub medium: Medium,
}

/// What may go wrong with a handler.
#[derive(Clone, Default)]
pub struct Faults(Arc<FaultsInner>);

#[derive(Default)]
struct FaultsInner {
    poisonous: Mutex<HashSet<EventId>>,
    is_away: AtomicBool,
    stalls: AtomicBool,
    stalled: Notify,
}

impl Faults {
    pub fn poison(&self, event: &Event) {
        self.0.poisonous.lock().unwrap_or_else(PoisonError::into_inner).insert(event.id);
    }

    pub fn heal(&self, event: &Event) {
        self.0.poisonous.lock().unwrap_or_else(PoisonError::into_inner).remove(&event.id);
    }

    pub fn be_away(&self, is_away: bool) {
        self.0.is_away.store(is_away, Ordering::SeqCst);
    }

    /// From now on handlers never end; the answer comes when one has its effect in its transaction.
    pub fn stall(&self) {
        self.0.stalls.store(true, Ordering::SeqCst);
    }

    pub async fn stalled(&self) {
        self.0.stalled.notified().await;
    }
}

/// Writes down what it is given, without looking whether it is there.
struct Scribe(Faults);

impl Handler for Scribe {
    const KINDS: &'static [Kind] = &[MessageSent::KIND];

    async fn handle(&self, conn: &mut PgConnection, event: &Event) -> Result<(), HandlerError> {
        let sent: MessageSent = event.decode()?;
        sqlx::query("INSERT INTO effects (event_id, aggregate_id, number) VALUES ($1, $2, $3)")
            .bind(event.id.uuid())
            .bind(event.aggregate)
            .bind(sent.sequence)
            .execute(&mut *conn)
            .await?;
        if self.0.0.stalls.load(Ordering::SeqCst) {
            self.0.0.stalled.notify_one();
            std::future::pending::<()>().await;
        }
        if self.0.0.is_away.load(Ordering::SeqCst) {
            return Err(HandlerError::transient("away"));
        }
        if self.0.0.poisonous.lock().unwrap_or_else(PoisonError::into_inner).contains(&event.id) {
            return Err(HandlerError::permanent("poison"));
        }
        Ok(())
    }
}

impl World {
    pub async fn over_log() -> Self {
        let database = TestDatabase::new(&LOG_MIGRATOR).await;
        let (proxy, url) = ChaosProxy::before_postgres(&database.url).await;
        Self::with(Medium::Log { database, proxy, url }).await
    }

    #[cfg(feature = "kafka")]
    pub async fn over_kafka() -> Self {
        Self::with(Medium::Kafka { broker: testkit::KafkaBroker::start().await }).await
    }

    pub async fn with(medium: Medium) -> Self {
        let database = TestDatabase::new(&SCHEMA).await;
        let pool = pool(&database.url);
        let mut conn = pool.conn().await.expect("a connection");
        conn.execute(
            "CREATE TABLE aggregates (id uuid PRIMARY KEY, changes bigint NOT NULL);
             CREATE TABLE effects (n bigint GENERATED ALWAYS AS IDENTITY, event_id uuid, aggregate_id uuid, number bigint)",
        )
        .await
        .expect("the test's own tables");
        drop(conn);
        Self { _database: database, pool, clock: Clock::system(), medium }
    }

    /// The bus as another process has it.
    pub async fn bus(&self) -> (Bus, Task) {
        match &self.medium {
            Medium::Log { url, .. } => {
                let (log, worker) = Log::new(pool(url), self.clock.clone());
                (Bus::Log(log), Task::spawn(worker.run()))
            }
            #[cfg(feature = "kafka")]
            Medium::Kafka { broker } => {
                // A member that is killed while the group is formed holds it up for as long.
                let impatient = [
                    ("session.timeout.ms", "6000"),
                    ("max.poll.interval.ms", "6000"),
                    ("heartbeat.interval.ms", "500"),
                ];
                let config = events::KafkaConfig {
                    properties: impatient.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                    partitions: 3,
                    replication: 1,
                    ..events::KafkaConfig::new(broker.address().to_string())
                };
                let kafka = events::Kafka::new(config).expect("librdkafka takes it");
                (Bus::Kafka(kafka), Task::spawn(std::future::ready(())))
            }
        }
    }

    pub fn cut(&self) {
        match &self.medium {
            Medium::Log { proxy, .. } => proxy.cut(),
            #[cfg(feature = "kafka")]
            Medium::Kafka { broker } => broker.freeze(),
        }
    }

    pub fn mend(&self) {
        match &self.medium {
            Medium::Log { proxy, .. } => proxy.mend(),
            #[cfg(feature = "kafka")]
            Medium::Kafka { broker } => broker.thaw(),
        }
    }

    pub fn relay(&self, bus: &Bus) -> Relay<Outbox> {
        let options = RelayOptions {
            batch: 7,
            look_every: Duration::from_millis(20),
            longest_pause: Duration::from_millis(200),
            publish_within: Duration::from_secs(5),
        };
        Relay::new("test", self.pool.clone(), Outbox, bus.clone(), self.clock.clone()).with(options)
    }

    pub async fn start_relay(&self) -> (Task, Task) {
        let (bus, worker) = self.bus().await;
        (Task::spawn(self.relay(&bus).run()), worker)
    }

    pub fn consumer(&self, faults: &Faults) -> Consumer<impl Handler> {
        Consumer::new("test.scribe", self.pool.clone(), self.clock.clone(), Scribe(faults.clone())).with(
            ConsumerOptions {
                batch: 5,
                tries: 3,
                first_pause: Duration::from_millis(1),
                longest_pause: Duration::from_millis(50),
                look_every: Duration::from_millis(20),
                ..ConsumerOptions::default()
            },
        )
    }

    pub async fn start_consumer(&self, faults: &Faults) -> (Task, Task) {
        let (bus, worker) = self.bus().await;
        (Task::spawn(self.consumer(faults).run(bus)), worker)
    }

    /// A change to an aggregate, with its event, under the aggregate's lock; not committed yet.
    pub async fn change(&self, aggregate: Uuid) -> (pg::Tx, Event) {
        let mut tx = self.pool.begin().await.expect("a transaction");
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO aggregates AS a (id, changes) VALUES ($1, 1)
             ON CONFLICT (id) DO UPDATE SET changes = a.changes + 1 RETURNING changes",
        )
        .bind(aggregate)
        .fetch_one(&mut *tx)
        .await
        .expect("changed");
        let event = event(self.clock.now(), aggregate, number);
        outbox::append(&mut tx, std::slice::from_ref(&event)).await.expect("appended");
        (tx, event)
    }

    /// A change that is committed.
    pub async fn commit_change(&self, aggregate: Uuid) -> Event {
        let (tx, event) = self.change(aggregate).await;
        tx.commit().await.expect("committed");
        event
    }

    /// Rows that wait in the outbox.
    pub async fn waiting(&self) -> i64 {
        let mut conn = self.pool.conn().await.expect("a connection");
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&mut *conn).await.expect("counted")
    }

    /// What was written down: aggregate and number, in order.
    pub async fn effects(&self) -> Vec<(Uuid, i64)> {
        let mut conn = self.pool.conn().await.expect("a connection");
        sqlx::query_as("SELECT aggregate_id, number FROM effects ORDER BY n").fetch_all(&mut *conn).await.expect("read")
    }

    /// Waits until `count` effects are there.
    pub async fn eventually_effects(&self, count: usize) -> Vec<(Uuid, i64)> {
        eventually("the effects are there", SOON, async || {
            let effects = self.effects().await;
            (effects.len() >= count).then_some(effects)
        })
        .await
    }

    /// Numbers of one aggregate's effects, in order.
    pub async fn numbers(&self, aggregate: Uuid) -> Vec<i64> {
        self.effects().await.into_iter().filter(|(id, _)| *id == aggregate).map(|(_, number)| number).collect()
    }
}

pub fn event(now: DateTime<Utc>, aggregate: Uuid, number: i64) -> Event {
    let payload = MessageSent { conversation_id: aggregate.to_string(), sequence: number, ..MessageSent::default() };
    Event::new(EventId::generate(now), now, aggregate, &payload)
}

/// An event that the scribe does not care for.
pub fn noise(now: DateTime<Utc>) -> Event {
    Event::new(EventId::generate(now), now, EventId::generate(now).uuid(), &UserBlocked::default())
}
