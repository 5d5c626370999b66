//! Table `sessions`.

use chrono::{DateTime, Utc};
use ids::{SessionId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::{Session, TokenHash};

/// A session to open.
pub struct NewSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The device as the person named it.
    pub device_name: &'a str,
    /// Hash of its first refresh token.
    pub refresh_hash: TokenHash,
    /// When that token expires.
    pub expires_at: DateTime<Utc>,
}

/// Opens a session with its first refresh token, and returns the roles that were granted to the person.
pub async fn insert_session(
    conn: &mut PgConnection,
    new: &NewSession<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<String>, pg::Error> {
    let roles = sqlx::query_scalar!(
        r#"WITH session AS (
               INSERT INTO sessions (id, user_id, device_name, created_at, last_used_at, expires_at)
               VALUES ($1, $2, $3, $4, $4, $5)
           ), token AS (
               INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at) VALUES ($6, $1, $4, $5)
           )
           SELECT ARRAY(SELECT role FROM user_roles WHERE user_id = $2) AS "roles!""#,
        new.id.uuid(),
        new.user.uuid(),
        new.device_name,
        now,
        new.expires_at,
        new.refresh_hash.as_slice(),
    )
    .fetch_one(conn)
    .await?;
    Ok(roles)
}

/// Whose session this is.
pub async fn find_owner(conn: &mut PgConnection, id: SessionId) -> Result<Option<UserId>, pg::Error> {
    let owner =
        sqlx::query_scalar!("SELECT user_id FROM sessions WHERE id = $1", id.uuid()).fetch_optional(conn).await?;
    Ok(owner.map(UserId::from))
}

/// Where a session stands.
pub struct Standing {
    /// Whose it is.
    pub user: UserId,
    /// Whether it has been revoked.
    pub revoked: bool,
    /// When its newest refresh token expires.
    pub expires_at: DateTime<Utc>,
}

/// Reads where a session stands.
pub async fn find_standing(conn: &mut PgConnection, id: SessionId) -> Result<Option<Standing>, pg::Error> {
    let row = sqlx::query!("SELECT user_id, revoked_at, expires_at FROM sessions WHERE id = $1", id.uuid())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| Standing {
        user: row.user_id.into(),
        revoked: row.revoked_at.is_some(),
        expires_at: row.expires_at,
    }))
}

/// Whether a session has been revoked; one that is not there any more has.
pub async fn is_revoked(conn: &mut PgConnection, id: SessionId) -> Result<bool, pg::Error> {
    let live = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND revoked_at IS NULL) AS "live!""#,
        id.uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(!live)
}

/// Live sessions of a person, newest first.
pub async fn list_live(
    conn: &mut PgConnection,
    user: UserId,
    before: Option<SessionId>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Session>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, device_name, created_at, last_used_at, expires_at FROM sessions
           WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND ($3::uuid IS NULL OR id < $3)
           ORDER BY id DESC LIMIT $4"#,
        user.uuid(),
        now,
        before.map(SessionId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let sessions = rows.into_iter().map(|row| Session {
        id: row.id.into(),
        device_name: row.device_name,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    });
    Ok(sessions.collect())
}

/// Ends a session. False if it had ended before.
pub async fn revoke_session(conn: &mut PgConnection, id: SessionId, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", id.uuid(), now)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the sessions of a person, but for one, and returns those that were alive. Take the person's lock first: two of
/// these at once would lock the rows in different orders.
pub async fn revoke_sessions(
    conn: &mut PgConnection,
    user: UserId,
    but: Option<SessionId>,
    now: DateTime<Utc>,
) -> Result<Vec<SessionId>, pg::Error> {
    let ids = sqlx::query_scalar!(
        r#"UPDATE sessions SET revoked_at = $3
           WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $3 AND ($2::uuid IS NULL OR id <> $2)
           RETURNING id"#,
        user.uuid(),
        but.map(SessionId::uuid),
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

/// Ends everybody's sessions and voids the tokens that were mailed; tells how many sessions were alive.
pub async fn revoke_all(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, pg::Error> {
    let done = sqlx::query!("UPDATE sessions SET revoked_at = $1 WHERE revoked_at IS NULL AND expires_at > $1", now)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM one_time_tokens").execute(conn).await?;
    Ok(done.rows_affected())
}

/// A session whose tokens are to be refused.
#[derive(Clone, Copy, Debug)]
pub struct Revoked {
    /// Its id.
    pub id: Uuid,
    /// When it was revoked.
    pub revoked_at: DateTime<Utc>,
}

/// Sessions revoked at or after a time, oldest first.
pub async fn list_revoked(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Revoked>, pg::Error> {
    let (after_at, after_id) = after.unzip();
    let rows = sqlx::query_as!(
        Revoked,
        r#"SELECT id, revoked_at AS "revoked_at!" FROM sessions
           WHERE revoked_at IS NOT NULL AND revoked_at >= $1 AND ($2::timestamptz IS NULL OR (revoked_at, id) > ($2, $3::uuid))
           ORDER BY revoked_at, id LIMIT $4"#,
        since,
        after_at,
        after_id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
