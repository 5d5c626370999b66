//! Table `dead_letters` (schema/0002_create_inbox.sql): events that a consumer could not act on, and those behind them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use ids::EventId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::row::{Columns, Row};
use crate::{Event, Topic};

/// Most letters that a list holds.
const MAX_LISTED: i64 = 1_000;

/// An event that waits among the dead letters.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Whose it is.
    pub consumer: String,
    /// The event.
    pub event: Event,
    /// When it was put here.
    pub died_at: DateTime<Utc>,
    /// Why it was not acted on; none if it only waits for one before it in its aggregate.
    pub fault: Option<String>,
}

#[derive(sqlx::FromRow)]
struct LetterRow {
    #[sqlx(flatten)]
    row: Row,
    consumer: String,
    died_at: DateTime<Utc>,
    fault: Option<String>,
}

/// The oldest dead letters, at most 1,000: of all consumers, or of one.
///
/// # Errors
/// If the database fails.
pub async fn list(conn: &mut PgConnection, consumer: Option<&str>) -> Result<Vec<DeadLetter>, pg::Error> {
    let rows: Vec<LetterRow> = sqlx::query_as(
        "SELECT position, event_id AS id, topic, type, subject, aggregate_id, created_at, traceparent, data, consumer, died_at,
                fault
         FROM dead_letters WHERE $1::text IS NULL OR consumer = $1 ORDER BY position LIMIT $2",
    )
    .bind(consumer)
    .bind(MAX_LISTED)
    .fetch_all(conn)
    .await?;
    let letter = |found: LetterRow| {
        let LetterRow { row, consumer, died_at, fault } = found;
        Ok(DeadLetter { consumer, event: row.event("dead_letters")?.1, died_at, fault })
    };
    rows.into_iter().map(letter).collect()
}

/// Has a consumer's dead letters tried again, all or those of one aggregate: by a running consumer, within seconds, in order.
/// Tells how many there are.
///
/// # Errors
/// If the database fails.
pub async fn request_redrive(
    conn: &mut PgConnection,
    consumer: &str,
    aggregate: Option<Uuid>,
) -> Result<u64, pg::Error> {
    let done = sqlx::query(
        "UPDATE dead_letters SET redrive = true WHERE consumer = $1 AND ($2::uuid IS NULL OR aggregate_id = $2)",
    )
    .bind(consumer)
    .bind(aggregate)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Gives one event up for good; those behind it are tried at the next redrive. False if it is not there.
///
/// # Errors
/// If the database fails.
pub async fn discard(conn: &mut PgConnection, consumer: &str, event: EventId) -> Result<bool, pg::Error> {
    let done = sqlx::query("DELETE FROM dead_letters WHERE consumer = $1 AND event_id = $2")
        .bind(consumer)
        .bind(event.uuid())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Which of the events' aggregates have dead letters.
pub(super) async fn stuck(
    conn: &mut PgConnection,
    consumer: &str,
    topic: Topic,
    events: &[&Event],
) -> Result<HashSet<Uuid>, pg::Error> {
    let aggregates: Vec<Uuid> = events.iter().map(|event| event.aggregate).collect();
    let stuck: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT aggregate_id FROM dead_letters
         WHERE consumer = $1 AND topic = $2 AND aggregate_id = ANY ($3)",
    )
    .bind(consumer)
    .bind(topic.name())
    .bind(aggregates)
    .fetch_all(conn)
    .await?;
    Ok(stuck.into_iter().collect())
}

/// Puts an event behind those that are there.
pub(super) async fn add(
    conn: &mut PgConnection,
    consumer: &str,
    event: &Event,
    fault: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    let columns = Columns::of(&[event]);
    sqlx::query(
        "INSERT INTO dead_letters (consumer, event_id, topic, type, subject, aggregate_id, created_at, traceparent, data, died_at,
                                   fault)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT ON CONSTRAINT dead_letters_event_key DO NOTHING",
    )
    .bind(consumer)
    .bind(columns.ids[0])
    .bind(columns.topics[0])
    .bind(columns.kinds[0])
    .bind(columns.subjects[0])
    .bind(columns.aggregates[0])
    .bind(columns.times[0])
    .bind(columns.traceparents[0])
    .bind(columns.data[0])
    .bind(now)
    .bind(fault)
    .execute(conn)
    .await?;
    Ok(())
}

/// The aggregates whose dead letters are to be tried again.
pub(super) async fn to_redrive(conn: &mut PgConnection, consumer: &str) -> Result<Vec<(String, Uuid)>, pg::Error> {
    let found = sqlx::query_as(
        "SELECT topic, aggregate_id FROM dead_letters WHERE consumer = $1 AND redrive
         GROUP BY topic, aggregate_id ORDER BY min(position) LIMIT $2",
    )
    .bind(consumer)
    .bind(MAX_LISTED)
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// The oldest dead letter of an aggregate.
pub(super) async fn oldest(
    conn: &mut PgConnection,
    consumer: &str,
    topic: Topic,
    aggregate: Uuid,
) -> Result<Option<Event>, pg::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT position, event_id AS id, topic, type, subject, aggregate_id, created_at, traceparent, data
         FROM dead_letters WHERE consumer = $1 AND topic = $2 AND aggregate_id = $3 ORDER BY position LIMIT 1",
    )
    .bind(consumer)
    .bind(topic.name())
    .bind(aggregate)
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.event("dead_letters").map(|(_, event)| event)).transpose()
}

/// Leaves an aggregate's dead letters until they are to be tried again, and notes why the oldest failed.
pub(super) async fn give_up(
    conn: &mut PgConnection,
    consumer: &str,
    oldest: &Event,
    fault: &str,
) -> Result<(), pg::Error> {
    sqlx::query(
        "UPDATE dead_letters SET redrive = false, fault = CASE WHEN event_id = $4 THEN $5 ELSE fault END
         WHERE consumer = $1 AND topic = $2 AND aggregate_id = $3",
    )
    .bind(consumer)
    .bind(oldest.topic.name())
    .bind(oldest.aggregate)
    .bind(oldest.id.uuid())
    .bind(fault)
    .execute(conn)
    .await?;
    Ok(())
}

/// How many a consumer has.
pub(super) async fn count(conn: &mut PgConnection, consumer: &str) -> Result<i64, pg::Error> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE consumer = $1")
        .bind(consumer)
        .fetch_one(conn)
        .await?)
}
