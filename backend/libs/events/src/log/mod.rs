//! The bus of installations without Kafka: an append-only log in a PostgreSQL database of its own, `nova_events`.

mod tap;
mod worker;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clock::Clock;
use ids::EventId;
use pg::Pool;
use sqlx::migrate::Migrator;
use tokio::sync::watch;
use uuid::Uuid;

use crate::row::{Columns, Row};
use crate::{Event, Topic, locks};

pub use tap::LogTap;
pub use worker::LogWorker;

/// The schema of the log's database.
pub static LOG_MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// What is sent when something was published.
const CHANNEL: &str = "nova_events";

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    pool: Pool,
    clock: Clock,
    /// Changes whenever there may be something new.
    news: watch::Sender<()>,
}

/// A piece of a topic.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The events and their positions.
    pub events: Vec<(i64, Event)>,
    /// Events up to this position may have been dropped; 0 if there are no events here.
    pub expired: i64,
}

#[derive(sqlx::FromRow)]
struct PieceRow {
    expired_position: i64,
    #[sqlx(flatten)]
    row: Row,
}

impl Log {
    /// The log in `pool`'s database, which [`LOG_MIGRATOR`] has prepared, and the worker to be run beside it in every process.
    pub fn new(pool: Pool, clock: Clock) -> (Self, LogWorker) {
        let log = Self(Arc::new(Inner { pool, clock, news: watch::Sender::new(()) }));
        (log.clone(), LogWorker::new(log))
    }

    pub(crate) async fn publish(&self, events: &[&Event]) -> Result<(), pg::Error> {
        let mut topics: Vec<Topic> = events.iter().map(|event| event.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let mut tx = self.0.pool.begin().await?;
        for topic in topics {
            locks::exclusive(&mut tx, locks::key("publish", topic.name())).await?;
        }
        let columns = Columns::of(events);
        sqlx::query(
            "INSERT INTO events (id, topic, type, subject, aggregate_id, created_at, traceparent, data, published_at)
             SELECT e.id, e.topic, e.type, e.subject, e.aggregate_id, e.created_at, e.traceparent, e.data, $9
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[], $7::text[],
                         $8::bytea[])
                  WITH ORDINALITY AS e (id, topic, type, subject, aggregate_id, created_at, traceparent, data, n)
             ORDER BY e.n
             ON CONFLICT ON CONSTRAINT events_id_key DO NOTHING",
        )
        .bind(columns.ids)
        .bind(columns.topics)
        .bind(columns.kinds)
        .bind(columns.subjects)
        .bind(columns.aggregates)
        .bind(columns.times)
        .bind(columns.traceparents)
        .bind(columns.data)
        .bind(self.0.clock.now())
        .execute(&mut *tx)
        .await?;
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut *tx).await?;
        tx.commit().await?;
        self.0.news.send_replace(());
        Ok(())
    }

    /// What there is after a position, in order.
    pub(crate) async fn read(&self, topic: Topic, after: i64, limit: i64) -> Result<Piece, pg::Error> {
        let mut conn = self.0.pool.conn().await?;
        let rows: Vec<PieceRow> = sqlx::query_as(
            "SELECT t.expired_position, e.position, e.id, e.topic, e.type, e.subject, e.aggregate_id, e.created_at,
                    e.traceparent, e.data
             FROM events e JOIN topics t ON t.name = e.topic
             WHERE e.topic = $1 AND e.position > $2 ORDER BY e.position LIMIT $3",
        )
        .bind(topic.name())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        let mut piece = Piece::default();
        for PieceRow { expired_position, row } in rows {
            piece.expired = expired_position;
            piece.events.push(row.event("events")?);
        }
        Ok(piece)
    }

    /// The position of a topic's newest event, 0 without any.
    pub(crate) async fn end(&self, topic: Topic) -> Result<i64, pg::Error> {
        let mut conn = self.0.pool.conn().await?;
        let end: Option<i64> = sqlx::query_scalar("SELECT max(position) FROM events WHERE topic = $1")
            .bind(topic.name())
            .fetch_one(&mut *conn)
            .await?;
        Ok(end.unwrap_or(0))
    }

    /// The position of the first event that was published at `since` or later.
    pub(crate) async fn first_since(&self, topic: Topic, since: DateTime<Utc>) -> Result<Option<i64>, pg::Error> {
        let mut conn = self.0.pool.conn().await?;
        let first: Option<i64> =
            sqlx::query_scalar("SELECT min(position) FROM events WHERE topic = $1 AND published_at >= $2")
                .bind(topic.name())
                .bind(since)
                .fetch_one(&mut *conn)
                .await?;
        Ok(first)
    }

    /// Where a topic begins and ends: the first position that has not been dropped, and the one after the newest event's.
    pub(crate) async fn extent(&self, topic: Topic) -> Result<(i64, i64), pg::Error> {
        let mut conn = self.0.pool.conn().await?;
        let (expired, newest): (i64, Option<i64>) = sqlx::query_as(
            "SELECT expired_position, (SELECT max(position) FROM events WHERE topic = $1) FROM topics WHERE name = $1",
        )
        .bind(topic.name())
        .fetch_one(&mut *conn)
        .await?;
        Ok((expired + 1, newest.unwrap_or(expired) + 1))
    }

    /// How many events there are after a position.
    pub(crate) async fn count_after(&self, topic: Topic, after: i64) -> Result<i64, pg::Error> {
        let mut conn = self.0.pool.conn().await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE topic = $1 AND position > $2")
            .bind(topic.name())
            .bind(after)
            .fetch_one(&mut *conn)
            .await?;
        Ok(count)
    }

    /// The positions and ids of events after a position, in order.
    pub(crate) async fn ids_after(
        &self,
        topic: Topic,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, EventId)>, pg::Error> {
        let mut conn = self.0.pool.conn().await?;
        let rows: Vec<(i64, Uuid)> = sqlx::query_as(
            "SELECT position, id FROM events WHERE topic = $1 AND position > $2 ORDER BY position LIMIT $3",
        )
        .bind(topic.name())
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await?;
        Ok(rows.into_iter().map(|(position, id)| (position, id.into())).collect())
    }

    /// Changes whenever there may be something new; without the worker only for what this process publishes.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }
}
