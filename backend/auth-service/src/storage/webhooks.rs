//! Table `webhooks`.

use chrono::{DateTime, Utc};
use ids::WebhookId;
use pg::Corrupt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::webhook::{DisabledReason, EventTypes, Webhook};

/// Waiting deliveries are counted up to here.
const COUNTED: i64 = 10_000;

/// What is stored of a webhook when it is made.
pub struct New<'a> {
    /// Its id.
    pub id: WebhookId,
    /// Where events are sent to.
    pub url: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// What it wants.
    pub event_types: &'a EventTypes,
    /// What signs, sealed.
    pub secret: &'a [u8],
}

/// What of a webhook is changed; what is none stays.
pub struct Change<'a> {
    /// Where events are sent to.
    pub url: Option<&'a str>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// What it wants.
    pub event_types: Option<&'a EventTypes>,
    /// Whether events are sent.
    pub enabled: Option<bool>,
}

struct Row {
    id: Uuid,
    url: String,
    description: String,
    event_types: Vec<String>,
    disabled_reason: Option<String>,
    failing_since: Option<DateTime<Utc>>,
    old_secret_until: Option<DateTime<Utc>>,
    pending: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl Row {
    fn read(self) -> Result<Webhook, Corrupt> {
        let disabled = self.disabled_reason.map(|name| {
            DisabledReason::parse(&name).ok_or_else(|| Corrupt {
                table: "webhooks",
                column: "disabled_reason",
                row: self.id.to_string(),
                fault: format!("there is no reason {name}"),
            })
        });
        Ok(Webhook {
            id: self.id.into(),
            url: self.url,
            description: self.description,
            event_types: EventTypes::from_stored(self.event_types),
            disabled: disabled.transpose()?,
            failing_since: self.failing_since,
            old_secret_until: self.old_secret_until,
            pending: self.pending,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        })
    }
}

/// Stores a webhook unless there are `max` already. False: there are. Two that are made at once take turns.
pub async fn insert_webhook(
    conn: &mut PgConnection,
    new: &New<'_>,
    max: i64,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    sqlx::query!("LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE").execute(&mut *conn).await?;
    let done = sqlx::query!(
        "INSERT INTO webhooks (id, url, description, event_types, secret_sealed, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $6 WHERE (SELECT count(*) FROM webhooks WHERE deleted_at IS NULL) < $7",
        new.id.uuid(),
        new.url,
        new.description,
        new.event_types.names(),
        new.secret,
        now,
        max,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Reads a webhook.
pub async fn find_webhook(conn: &mut PgConnection, id: WebhookId) -> Result<Option<Webhook>, pg::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT w.id, url, description, event_types, disabled_reason, failing_since, old_secret_until,
                  (SELECT count(*) FROM (SELECT FROM webhook_deliveries d
                                         WHERE d.webhook_id = w.id AND d.state = 'PENDING' LIMIT $2) p) AS "pending!",
                  created_at, updated_at, version
           FROM webhooks w WHERE w.id = $1 AND deleted_at IS NULL"#,
        id.uuid(),
        COUNTED,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Row::read).transpose()?)
}

/// Webhooks, newest first, from the one before `before` on.
pub async fn list_webhooks(
    conn: &mut PgConnection,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Webhook>, pg::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT w.id, url, description, event_types, disabled_reason, failing_since, old_secret_until,
                  (SELECT count(*) FROM (SELECT FROM webhook_deliveries d
                                         WHERE d.webhook_id = w.id AND d.state = 'PENDING' LIMIT $3) p) AS "pending!",
                  created_at, updated_at, version
           FROM webhooks w
           WHERE deleted_at IS NULL AND ($1::uuid IS NULL OR w.id < $1) ORDER BY w.id DESC LIMIT $2"#,
        before,
        limit,
        COUNTED,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

/// What an enabled webhook wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The webhook.
    pub webhook: WebhookId,
    /// Which events.
    pub event_types: EventTypes,
    /// None that happened before.
    pub since: DateTime<Utc>,
}

/// What each enabled webhook wants.
pub async fn list_wishes(conn: &mut PgConnection) -> Result<Vec<Wish>, pg::Error> {
    let rows = sqlx::query!(
        "SELECT id, event_types, created_at FROM webhooks
         WHERE deleted_at IS NULL AND disabled_reason IS NULL ORDER BY id"
    )
    .fetch_all(conn)
    .await?;
    let wishes = rows.into_iter().map(|row| Wish {
        webhook: row.id.into(),
        event_types: EventTypes::from_stored(row.event_types),
        since: row.created_at,
    });
    Ok(wishes.collect())
}

/// When the oldest webhook was made; none if there is none.
pub async fn oldest_webhook(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>, pg::Error> {
    let oldest = sqlx::query_scalar!("SELECT min(created_at) FROM webhooks WHERE deleted_at IS NULL");
    Ok(oldest.fetch_one(conn).await?)
}

/// How many webhooks are disabled.
pub async fn count_disabled(conn: &mut PgConnection) -> Result<i64, pg::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM webhooks WHERE deleted_at IS NULL AND disabled_reason IS NOT NULL"#
    );
    Ok(count.fetch_one(conn).await?)
}

/// Changes a webhook whose version is `expected`, whichever it is if that is 0. False if there is none of that version. Another
/// address, or being enabled, forgets how it failed.
pub async fn update_webhook(
    conn: &mut PgConnection,
    id: WebhookId,
    change: &Change<'_>,
    expected: i64,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE webhooks SET
            url = COALESCE($2, url),
            description = COALESCE($3, description),
            event_types = COALESCE($4, event_types),
            disabled_reason = CASE WHEN $5::boolean THEN NULL WHEN NOT $5 THEN COALESCE(disabled_reason, 'BY_ADMINISTRATOR')
                                   ELSE disabled_reason END,
            failing_since = CASE WHEN $5 OR $2 <> url THEN NULL ELSE failing_since END,
            not_before = CASE WHEN $5 OR $2 <> url THEN NULL ELSE not_before END,
            updated_at = $7, version = version + 1
         WHERE id = $1 AND deleted_at IS NULL AND ($6::bigint = 0 OR version = $6)",
        id.uuid(),
        change.url,
        change.description,
        change.event_types.map(EventTypes::names),
        change.enabled,
        expected,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Puts another secret in the place of the present one, which signs too until `old_until`.
pub async fn rotate_secret(
    conn: &mut PgConnection,
    id: WebhookId,
    secret: &[u8],
    old_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE webhooks SET old_secret_sealed = secret_sealed, old_secret_until = $3, secret_sealed = $2,
                             updated_at = $4, version = version + 1
         WHERE id = $1 AND deleted_at IS NULL",
        id.uuid(),
        secret,
        old_until,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes a webhook; its secrets are gone at once. False if there was none.
pub async fn delete_webhook(conn: &mut PgConnection, id: WebhookId, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE webhooks SET deleted_at = $2, updated_at = $2, version = version + 1, url = '', description = '',
                             secret_sealed = '', old_secret_sealed = NULL, old_secret_until = NULL
         WHERE id = $1 AND deleted_at IS NULL",
        id.uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that an attempt succeeded.
pub async fn note_success(conn: &mut PgConnection, id: WebhookId) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE webhooks SET failing_since = NULL, not_before = NULL
         WHERE id = $1 AND (failing_since IS NOT NULL OR not_before IS NOT NULL)",
        id.uuid()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that an attempt failed: the webhook is left alone until `not_before`, and disabled if all have failed since
/// `hopeless_since` or before. True if that disabled it.
pub async fn note_failure(
    conn: &mut PgConnection,
    id: WebhookId,
    not_before: Option<DateTime<Utc>>,
    hopeless_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    sqlx::query!(
        "UPDATE webhooks SET failing_since = COALESCE(failing_since, $2), not_before = GREATEST(not_before, $3)
         WHERE id = $1 AND (failing_since IS NULL OR $3::timestamptz IS NOT NULL)",
        id.uuid(),
        now,
        not_before,
    )
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query!(
        "UPDATE webhooks SET disabled_reason = 'FAILING', updated_at = $3, version = version + 1
         WHERE id = $1 AND disabled_reason IS NULL AND deleted_at IS NULL AND failing_since <= $2",
        id.uuid(),
        hopeless_since,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Disables a webhook whose receiver wants no more. True if it was enabled.
pub async fn note_gone(conn: &mut PgConnection, id: WebhookId, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE webhooks SET disabled_reason = 'GONE', updated_at = $2, version = version + 1
         WHERE id = $1 AND disabled_reason IS NULL AND deleted_at IS NULL",
        id.uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}
