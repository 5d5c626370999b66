//! Table `webhook_lanes`: what waits, by webhook and aggregate. Who takes a lane sends its first delivery and no other.

use chrono::{DateTime, Utc};
use ids::{DeliveryId, WebhookId};
use sqlx::PgConnection;
use uuid::Uuid;

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The webhook.
    pub webhook: WebhookId,
    /// The stream of events.
    pub topic: String,
    /// What they are about.
    pub aggregate: Uuid,
}

/// Locks the lanes of an aggregate to some webhooks until the transaction ends, and opens those that are closed.
pub async fn open(
    conn: &mut PgConnection,
    webhooks: &[Uuid],
    topic: &str,
    aggregate: Uuid,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "INSERT INTO webhook_lanes AS l (webhook_id, topic, aggregate_id, next_attempt_at)
         SELECT w.id, $2, $3, $4 FROM unnest($1::uuid[]) AS w (id) ORDER BY w.id
         ON CONFLICT (webhook_id, topic, aggregate_id) DO UPDATE SET next_attempt_at = l.next_attempt_at",
        webhooks,
        topic,
        aggregate,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks lanes of a webhook, opens those that are closed, and has all that nobody is sending be tried at once.
pub async fn hurry(
    conn: &mut PgConnection,
    webhook: WebhookId,
    lanes: &[(String, Uuid)],
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    let (topics, aggregates): (Vec<String>, Vec<Uuid>) = lanes.iter().cloned().unzip();
    sqlx::query!(
        "INSERT INTO webhook_lanes AS l (webhook_id, topic, aggregate_id, next_attempt_at)
         SELECT $1, n.topic, n.aggregate_id, $4 FROM unnest($2::text[], $3::uuid[]) AS n (topic, aggregate_id)
         ORDER BY n.topic, n.aggregate_id
         ON CONFLICT (webhook_id, topic, aggregate_id) DO UPDATE
         SET next_attempt_at = CASE WHEN l.taken_by IS NULL THEN EXCLUDED.next_attempt_at ELSE l.next_attempt_at END",
        webhook.uuid(),
        &topics,
        &aggregates,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks all lanes of a webhook, and has those be tried at once that nobody is sending.
pub async fn hurry_all(conn: &mut PgConnection, webhook: WebhookId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE webhook_lanes SET next_attempt_at = CASE WHEN taken_by IS NULL THEN $2 ELSE next_attempt_at END
         WHERE webhook_id = $1",
        webhook.uuid(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a taker wants.
pub struct Wanted<'a> {
    /// Of each webhook that something is being sent to by this process: how much.
    pub busy: &'a [(WebhookId, i64)],
    /// Most that is sent to one webhook at once.
    pub per_webhook: i64,
    /// Most lanes to take.
    pub most: i64,
    /// Who takes.
    pub taker: Uuid,
    /// Until when the taker has them for itself.
    pub until: DateTime<Utc>,
}

/// The first delivery of a lane that was taken.
pub struct Taken {
    /// The lane.
    pub lane: Lane,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The event: `webhook-id`.
    pub event: Uuid,
    /// What is sent.
    pub body: Vec<u8>,
    /// Tries since it began.
    pub tries: i32,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// Where to.
    pub url: String,
    /// The secret that signs, sealed.
    pub secret: Vec<u8>,
    /// The secret before, if it still signs.
    pub old_secret: Option<Vec<u8>>,
}

/// Takes lanes that are due, of enabled webhooks that want to be sent to: first of those that least is being sent to, so that one
/// that hangs does not keep others from theirs. For a transaction of its own.
pub async fn take(conn: &mut PgConnection, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Result<Vec<Taken>, pg::Error> {
    let (busy, counts): (Vec<Uuid>, Vec<i64>) = wanted.busy.iter().map(|(id, count)| (id.uuid(), *count)).unzip();
    let taken = sqlx::query!(
        r#"WITH due AS (
               SELECT l.webhook_id, l.topic, l.aggregate_id
               FROM webhooks w
               LEFT JOIN unnest($1::uuid[], $2::bigint[]) AS busy (webhook_id, count) ON busy.webhook_id = w.id
               CROSS JOIN LATERAL (
                   SELECT * FROM webhook_lanes WHERE webhook_id = w.id AND next_attempt_at <= $3
                   ORDER BY next_attempt_at LIMIT GREATEST($4 - COALESCE(busy.count, 0), 0) FOR UPDATE SKIP LOCKED) l
               WHERE w.disabled_reason IS NULL AND w.deleted_at IS NULL AND (w.not_before IS NULL OR w.not_before <= $3)
               ORDER BY COALESCE(busy.count, 0), l.next_attempt_at LIMIT $5)
           UPDATE webhook_lanes l SET next_attempt_at = $6, taken_by = $7 FROM due
           WHERE (l.webhook_id, l.topic, l.aggregate_id) = (due.webhook_id, due.topic, due.aggregate_id)
           RETURNING l.webhook_id, l.topic, l.aggregate_id"#,
        &busy,
        &counts,
        now,
        wanted.per_webhook,
        wanted.most,
        wanted.until,
        wanted.taker,
    )
    .fetch_all(&mut *conn)
    .await?;
    if taken.is_empty() {
        return Ok(vec![]);
    }
    let rows = sqlx::query!(
        r#"SELECT l.webhook_id, l.topic, l.aggregate_id, d.id, d.event_id, d.body, d.tries, d.begun_at, w.url,
                  w.secret_sealed, CASE WHEN w.old_secret_until > $2 THEN w.old_secret_sealed END AS old_secret_sealed
           FROM webhook_lanes l
           JOIN webhooks w ON w.id = l.webhook_id
           CROSS JOIN LATERAL (
               SELECT * FROM webhook_deliveries d
               WHERE d.webhook_id = l.webhook_id AND d.topic = l.topic AND d.aggregate_id = l.aggregate_id
                 AND d.state = 'PENDING' ORDER BY d.position LIMIT 1) d
           WHERE l.taken_by = $1"#,
        wanted.taker,
        now,
    )
    .fetch_all(&mut *conn)
    .await?;
    if rows.len() < taken.len() {
        // The sweeper has taken what was in them. They are locked, so nobody adds to them meanwhile.
        sqlx::query!(
            "DELETE FROM webhook_lanes l WHERE l.taken_by = $1 AND NOT EXISTS (
                 SELECT FROM webhook_deliveries d
                 WHERE d.webhook_id = l.webhook_id AND d.topic = l.topic AND d.aggregate_id = l.aggregate_id
                   AND d.state = 'PENDING')",
            wanted.taker
        )
        .execute(conn)
        .await?;
    }
    let taken = rows.into_iter().map(|row| Taken {
        lane: Lane { webhook: row.webhook_id.into(), topic: row.topic, aggregate: row.aggregate_id },
        delivery: row.id.into(),
        event: row.event_id,
        body: row.body,
        tries: row.tries,
        begun_at: row.begun_at,
        url: row.url,
        secret: row.secret_sealed,
        old_secret: row.old_secret_sealed,
    });
    Ok(taken.collect())
}

/// Locks a lane that this taker has. False: it has it no more.
pub async fn lock_taken(conn: &mut PgConnection, lane: &Lane, taker: Uuid) -> Result<bool, pg::Error> {
    let found = sqlx::query!(
        "SELECT FROM webhook_lanes
         WHERE webhook_id = $1 AND topic = $2 AND aggregate_id = $3 AND taken_by = $4 FOR UPDATE",
        lane.webhook.uuid(),
        lane.topic,
        lane.aggregate,
        taker,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.is_some())
}

/// Gives a lane back that is locked: its first is due at `next`. If nothing waits in it any more, it is closed.
pub async fn give_back(conn: &mut PgConnection, lane: &Lane, next: DateTime<Utc>) -> Result<(), pg::Error> {
    let done = sqlx::query!(
        "UPDATE webhook_lanes l SET next_attempt_at = $4, taken_by = NULL
         WHERE webhook_id = $1 AND topic = $2 AND aggregate_id = $3 AND EXISTS (
             SELECT FROM webhook_deliveries d
             WHERE d.webhook_id = $1 AND d.topic = $2 AND d.aggregate_id = $3 AND d.state = 'PENDING')",
        lane.webhook.uuid(),
        lane.topic,
        lane.aggregate,
        next,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        sqlx::query!(
            "DELETE FROM webhook_lanes WHERE webhook_id = $1 AND topic = $2 AND aggregate_id = $3",
            lane.webhook.uuid(),
            lane.topic,
            lane.aggregate,
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}
