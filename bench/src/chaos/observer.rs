//! A consumer of everything, which writes down what it is told. It is dropped and started anew at any moment.

use anyhow::Context;
use chassis::Lifecycle;
use chassis::config::Database;
use clock::Clock;
use events::{Consumer, Event, Handler, HandlerError, KINDS, Kind};
use pg::Pool;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use super::cast::Cast;

/// Its inbox, and what it has been told, in its order.
const SCHEMA: &str = concat!(
    include_str!("../../../backend/libs/events/schema/0002_create_inbox.sql"),
    "CREATE TABLE told (
        n            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id     uuid   NOT NULL,
        topic        text   NOT NULL,
        type         text   NOT NULL,
        aggregate_id uuid   NOT NULL,
        data         bytea  NOT NULL
    );"
);
const ALL: [Kind; KINDS.len()] = {
    let mut all = [KINDS[0].0; KINDS.len()];
    let mut n = 0;
    while n < KINDS.len() {
        all[n] = KINDS[n].0;
        n += 1;
    }
    all
};

/// See the module.
pub struct Observer {
    running: JoinHandle<()>,
}

struct WriteDown;

impl Handler for WriteDown {
    const KINDS: &'static [Kind] = &ALL;

    async fn handle(&self, conn: &mut PgConnection, event: &Event) -> Result<(), HandlerError> {
        sqlx::query("INSERT INTO told (event_id, topic, type, aggregate_id, data) VALUES ($1, $2, $3, $4, $5)")
            .bind(event.id.uuid())
            .bind(event.topic.name())
            .bind(event.kind.as_str())
            .bind(event.aggregate)
            .bind(&event.data)
            .execute(conn)
            .await?;
        Ok(())
    }
}

impl Observer {
    /// Starts it on a database of its own.
    pub async fn start(cast: &Cast) -> anyhow::Result<Self> {
        let mut db = PgConnection::connect(&cast.database("chaos")).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut db).await?;
        Ok(Self { running: Self::run(cast).await? })
    }

    /// Drops it wherever it is, and starts another.
    pub async fn restart(&mut self, cast: &Cast) -> anyhow::Result<()> {
        self.running.abort();
        self.running = Self::run(cast).await?;
        Ok(())
    }

    /// Ends it.
    pub fn stop(self) {
        self.running.abort();
    }

    async fn run(cast: &Cast) -> anyhow::Result<JoinHandle<()>> {
        let own = Database { url: cast.database("chaos").into(), max_connections: 4, ..Database::default() };
        let pool = Pool::new(own.pool_config("chaos"))?;
        let bus = chassis::open_bus("chaos", &cast.events(), &Lifecycle::new(Clock::system())).await?;
        let consumer = Consumer::new("chaos.observer", pool, Clock::system(), WriteDown);
        Ok(tokio::spawn(consumer.run(bus.context("a bus is configured")?)))
    }
}
