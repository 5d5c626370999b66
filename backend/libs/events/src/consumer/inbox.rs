//! Tables `inbox` and `consumer_offsets` (schema/0002_create_inbox.sql).

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use ids::EventId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Event, Topic};

/// Rows that are forgotten in one statement.
const FORGOTTEN_AT_ONCE: i64 = 5_000;

/// Notes events as acted on, and tells which were not before. Waits for others who are about the same events.
pub(super) async fn note(
    conn: &mut PgConnection,
    consumer: &str,
    events: &[&Event],
    now: DateTime<Utc>,
) -> Result<HashSet<EventId>, pg::Error> {
    let mut ids: Vec<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
    ids.sort_unstable(); // two who note the same events do not lock each other out
    let new: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO inbox (consumer, event_id, received_at) SELECT $1, e.id, $3 FROM unnest($2::uuid[]) AS e (id)
         ON CONFLICT DO NOTHING RETURNING event_id",
    )
    .bind(consumer)
    .bind(ids)
    .bind(now)
    .fetch_all(conn)
    .await?;
    Ok(new.into_iter().map(EventId::from).collect())
}

/// Forgets events that were noted before `cutoff`, a bounded number; tells how many.
pub(super) async fn forget_before(
    conn: &mut PgConnection,
    consumer: &str,
    cutoff: DateTime<Utc>,
) -> Result<u64, pg::Error> {
    let done = sqlx::query(
        "DELETE FROM inbox WHERE consumer = $1 AND event_id IN (
             SELECT event_id FROM inbox WHERE consumer = $1 AND received_at < $2 ORDER BY received_at LIMIT $3)",
    )
    .bind(consumer)
    .bind(cutoff)
    .bind(FORGOTTEN_AT_ONCE)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets events, so that they are acted on again.
pub(super) async fn forget(conn: &mut PgConnection, consumer: &str, events: &[EventId]) -> Result<(), pg::Error> {
    let ids: Vec<Uuid> = events.iter().map(|id| id.uuid()).collect();
    sqlx::query("DELETE FROM inbox WHERE consumer = $1 AND event_id = ANY($2)")
        .bind(consumer)
        .bind(ids)
        .execute(conn)
        .await?;
    Ok(())
}

/// Up to where a consumer has come in a topic of the log.
pub(super) async fn offset(conn: &mut PgConnection, consumer: &str, topic: Topic) -> Result<i64, pg::Error> {
    let position: Option<i64> =
        sqlx::query_scalar("SELECT position FROM consumer_offsets WHERE consumer = $1 AND topic = $2")
            .bind(consumer)
            .bind(topic.name())
            .fetch_optional(conn)
            .await?;
    Ok(position.unwrap_or(0))
}

/// Moves a consumer to a place in a topic of the log.
pub(super) async fn set_offset(
    conn: &mut PgConnection,
    consumer: &str,
    topic: Topic,
    position: i64,
) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO consumer_offsets (consumer, topic, position) VALUES ($1, $2, $3)
         ON CONFLICT (consumer, topic) DO UPDATE SET position = EXCLUDED.position",
    )
    .bind(consumer)
    .bind(topic.name())
    .bind(position)
    .execute(conn)
    .await?;
    Ok(())
}
