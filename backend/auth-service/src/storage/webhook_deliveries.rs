//! Tables `webhook_deliveries` and `webhook_attempts`: what is sent, what became of it, every try.

use chrono::{DateTime, Utc};
use ids::{DeliveryId, WebhookId};
use pg::Corrupt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::webhook::{Attempt, Delivery, State};

/// What is sent to some webhooks.
pub struct New<'a> {
    /// Of each webhook, with the id of its delivery.
    pub to: &'a [(DeliveryId, WebhookId)],
    /// The event.
    pub event: Uuid,
    /// The event's type.
    pub kind: &'a str,
    /// The stream that it came in.
    pub topic: &'a str,
    /// What it is about.
    pub aggregate: Uuid,
    /// What is sent.
    pub body: &'a [u8],
}

/// Stores deliveries that wait, but for those that are there. Their lanes are locked ([`super::webhook_lanes::open`]).
pub async fn insert_deliveries(conn: &mut PgConnection, new: &New<'_>, now: DateTime<Utc>) -> Result<(), pg::Error> {
    let (ids, webhooks): (Vec<Uuid>, Vec<Uuid>) =
        new.to.iter().map(|(id, webhook)| (id.uuid(), webhook.uuid())).unzip();
    sqlx::query!(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, type, topic, aggregate_id, body, created_at, begun_at)
         SELECT n.id, n.webhook_id, $3, $4, $5, $6, $7, $8, $8 FROM unnest($1::uuid[], $2::uuid[]) AS n (id, webhook_id)
         ON CONFLICT (webhook_id, event_id) DO NOTHING",
        &ids,
        &webhooks,
        new.event,
        new.kind,
        new.topic,
        new.aggregate,
        new.body,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

struct Row {
    id: Uuid,
    position: i64,
    webhook_id: Uuid,
    event_id: Uuid,
    kind: String,
    topic: String,
    aggregate_id: Uuid,
    state: String,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    last_status: Option<i16>,
    last_fault: Option<String>,
    created_at: DateTime<Utc>,
    done_at: Option<DateTime<Utc>>,
}

impl Row {
    fn read(self) -> Result<Delivery, Corrupt> {
        let state = State::parse(&self.state).ok_or_else(|| Corrupt {
            table: "webhook_deliveries",
            column: "state",
            row: self.id.to_string(),
            fault: format!("there is no state {}", self.state),
        })?;
        Ok(Delivery {
            id: self.id.into(),
            position: self.position,
            webhook: self.webhook_id.into(),
            event: self.event_id,
            kind: self.kind,
            topic: self.topic,
            aggregate: self.aggregate_id,
            state,
            attempts: self.attempts,
            next_attempt_at: self.next_attempt_at,
            last_status: self.last_status,
            last_fault: self.last_fault,
            created_at: self.created_at,
            done_at: self.done_at,
        })
    }
}

/// Reads a delivery to a webhook that is not deleted.
pub async fn find_delivery(conn: &mut PgConnection, id: DeliveryId) -> Result<Option<Delivery>, pg::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.position, d.webhook_id, d.event_id, d.type AS kind, d.topic, d.aggregate_id, d.state, d.attempts,
                  (SELECT l.next_attempt_at FROM webhook_lanes l
                   WHERE d.state = 'PENDING' AND w.disabled_reason IS NULL AND l.taken_by IS NULL
                     AND (l.webhook_id, l.topic, l.aggregate_id) = (d.webhook_id, d.topic, d.aggregate_id)
                     AND NOT EXISTS (SELECT FROM webhook_deliveries b
                                     WHERE (b.webhook_id, b.topic, b.aggregate_id) = (d.webhook_id, d.topic, d.aggregate_id)
                                       AND b.state = 'PENDING' AND b.position < d.position)) AS next_attempt_at,
                  d.last_status, d.last_fault, d.created_at, d.done_at
           FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
           WHERE d.id = $1 AND w.deleted_at IS NULL"#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Row::read).transpose()?)
}

/// Deliveries to webhooks that are not deleted, newest first, from the one before `before` on.
pub async fn list_deliveries(
    conn: &mut PgConnection,
    webhook: Option<WebhookId>,
    state: Option<State>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Delivery>, pg::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.position, d.webhook_id, d.event_id, d.type AS kind, d.topic, d.aggregate_id, d.state, d.attempts,
                  (SELECT l.next_attempt_at FROM webhook_lanes l
                   WHERE d.state = 'PENDING' AND w.disabled_reason IS NULL AND l.taken_by IS NULL
                     AND (l.webhook_id, l.topic, l.aggregate_id) = (d.webhook_id, d.topic, d.aggregate_id)
                     AND NOT EXISTS (SELECT FROM webhook_deliveries b
                                     WHERE (b.webhook_id, b.topic, b.aggregate_id) = (d.webhook_id, d.topic, d.aggregate_id)
                                       AND b.state = 'PENDING' AND b.position < d.position)) AS next_attempt_at,
                  d.last_status, d.last_fault, d.created_at, d.done_at
           FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
           WHERE ($1::uuid IS NULL OR d.webhook_id = $1) AND ($2::text IS NULL OR d.state = $2)
             AND ($3::bigint IS NULL OR d.position < $3) AND w.deleted_at IS NULL
           ORDER BY d.position DESC LIMIT $4"#,
        webhook.map(WebhookId::uuid),
        state.map(State::name),
        before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

/// Has all statements of a transaction see the same moment. It must be the first.
pub async fn see_one_moment(conn: &mut PgConnection) -> Result<(), pg::Error> {
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(conn).await?;
    Ok(())
}

/// Reads what is sent.
pub async fn find_body(conn: &mut PgConnection, id: DeliveryId) -> Result<Vec<u8>, pg::Error> {
    let body = sqlx::query_scalar!("SELECT body FROM webhook_deliveries WHERE id = $1", id.uuid());
    Ok(body.fetch_optional(conn).await?.unwrap_or_default())
}

/// The newest attempts of a delivery, newest first.
pub async fn list_attempts(conn: &mut PgConnection, id: DeliveryId, limit: i64) -> Result<Vec<Attempt>, pg::Error> {
    let attempts = sqlx::query_as!(
        Attempt,
        "SELECT number, at, status, fault, duration_ms, answer FROM webhook_attempts
         WHERE delivery_id = $1 ORDER BY number DESC LIMIT $2",
        id.uuid(),
        limit,
    );
    Ok(attempts.fetch_all(conn).await?)
}

/// How an attempt ended.
pub struct Ended<'a> {
    /// When it began.
    pub at: DateTime<Utc>,
    /// HTTP status of the answer.
    pub status: Option<i16>,
    /// Why there was none.
    pub fault: Option<&'a str>,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The beginning of the answer.
    pub answer: &'a str,
    /// What it makes of the delivery.
    pub state: State,
}

/// Writes an attempt down. The delivery's lane is locked.
pub async fn record_attempt(
    conn: &mut PgConnection,
    id: DeliveryId,
    ended: &Ended<'_>,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "WITH d AS (
             UPDATE webhook_deliveries
             SET attempts = attempts + 1, tries = tries + 1, last_status = $3, last_fault = $4, state = $7,
                 done_at = CASE WHEN $7 = 'PENDING' THEN NULL ELSE $8::timestamptz END
             WHERE id = $1 RETURNING id, attempts)
         INSERT INTO webhook_attempts (delivery_id, number, at, status, fault, duration_ms, answer)
         SELECT d.id, d.attempts, $2, $3, $4, $5, $6 FROM d",
        id.uuid(),
        ended.at,
        ended.status,
        ended.fault,
        ended.duration_ms,
        ended.answer,
        ended.state.name(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Has a delivery begin anew. Its lane is locked.
pub async fn restart_delivery(conn: &mut PgConnection, id: DeliveryId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE webhook_deliveries SET state = 'PENDING', tries = 0, begun_at = $2, done_at = NULL WHERE id = $1",
        id.uuid(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The aggregates of what was made for a webhook since a time: all of it, or what has not arrived.
pub async fn list_lanes_since(
    conn: &mut PgConnection,
    webhook: WebhookId,
    since: DateTime<Utc>,
    delivered: bool,
) -> Result<Vec<(String, Uuid)>, pg::Error> {
    let lanes = sqlx::query!(
        "SELECT DISTINCT topic, aggregate_id FROM webhook_deliveries
         WHERE webhook_id = $1 AND created_at >= $2 AND (state <> 'DELIVERED' OR $3) ORDER BY topic, aggregate_id",
        webhook.uuid(),
        since,
        delivered,
    );
    let lanes = lanes.fetch_all(conn).await?;
    Ok(lanes.into_iter().map(|lane| (lane.topic, lane.aggregate_id)).collect())
}

/// Has these deliveries begin anew; the lanes are locked. Returns how many they are.
pub async fn restart_since(
    conn: &mut PgConnection,
    webhook: WebhookId,
    since: DateTime<Utc>,
    delivered: bool,
    now: DateTime<Utc>,
) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        "UPDATE webhook_deliveries SET state = 'PENDING', tries = 0, begun_at = $4, done_at = NULL
         WHERE webhook_id = $1 AND created_at >= $2 AND (state <> 'DELIVERED' OR $3)",
        webhook.uuid(),
        since,
        delivered,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Has all that waits for a webhook begin anew. The lanes are locked.
pub async fn restart_pending(conn: &mut PgConnection, webhook: WebhookId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE webhook_deliveries SET tries = 0, begun_at = $2 WHERE webhook_id = $1 AND state = 'PENDING'",
        webhook.uuid(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the oldest delivery was made that waits for an enabled webhook.
pub async fn oldest_pending(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>, pg::Error> {
    let oldest = sqlx::query_scalar!(
        "SELECT d.created_at FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
         WHERE d.state = 'PENDING' AND w.deleted_at IS NULL AND w.disabled_reason IS NULL ORDER BY d.position LIMIT 1"
    );
    Ok(oldest.fetch_optional(conn).await?)
}
