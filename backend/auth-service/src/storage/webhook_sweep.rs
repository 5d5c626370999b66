//! Removes what is not kept of webhooks, a batch at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// Removes deliveries, with their attempts, that were made before a time. Returns how many.
pub async fn delete_old(conn: &mut PgConnection, before: DateTime<Utc>, batch: i64) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        "DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
             SELECT id FROM webhook_deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2))",
        before,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Removes deliveries to webhooks that are deleted. Returns how many.
pub async fn delete_orphans(conn: &mut PgConnection, batch: i64) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        "DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
             SELECT d.id FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
             WHERE w.deleted_at IS NOT NULL LIMIT $1))",
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Closes lanes in which nothing waits any more; those of enabled webhooks are closed by who takes them. For a transaction of
/// its own. Returns how many.
pub async fn close_lanes(conn: &mut PgConnection, batch: i64) -> Result<u64, pg::Error> {
    let empty = sqlx::query!(
        "SELECT l.webhook_id, l.topic, l.aggregate_id FROM webhook_lanes l JOIN webhooks w ON w.id = l.webhook_id
         WHERE (w.deleted_at IS NOT NULL OR w.disabled_reason IS NOT NULL) AND NOT EXISTS (
             SELECT FROM webhook_deliveries d
             WHERE d.webhook_id = l.webhook_id AND d.topic = l.topic AND d.aggregate_id = l.aggregate_id
               AND d.state = 'PENDING')
         LIMIT $1 FOR UPDATE OF l SKIP LOCKED",
        batch,
    )
    .fetch_all(&mut *conn)
    .await?;
    let webhooks: Vec<Uuid> = empty.iter().map(|lane| lane.webhook_id).collect();
    let topics: Vec<String> = empty.iter().map(|lane| lane.topic.clone()).collect();
    let aggregates: Vec<Uuid> = empty.iter().map(|lane| lane.aggregate_id).collect();
    // A statement of its own sees what was added before the locks were had.
    let done = sqlx::query!(
        "DELETE FROM webhook_lanes l USING unnest($1::uuid[], $2::text[], $3::uuid[]) AS e (webhook_id, topic, aggregate_id)
         WHERE l.webhook_id = e.webhook_id AND l.topic = e.topic AND l.aggregate_id = e.aggregate_id AND NOT EXISTS (
             SELECT FROM webhook_deliveries d
             WHERE d.webhook_id = l.webhook_id AND d.topic = l.topic AND d.aggregate_id = l.aggregate_id
               AND d.state = 'PENDING')",
        &webhooks,
        &topics,
        &aggregates,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Removes webhooks that were deleted before a time and of which nothing is left. Returns how many.
pub async fn delete_webhooks(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        "DELETE FROM webhooks w WHERE deleted_at < $1
           AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id)
           AND NOT EXISTS (SELECT FROM webhook_lanes l WHERE l.webhook_id = w.id)",
        before
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
