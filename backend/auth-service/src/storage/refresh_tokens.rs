//! Table `refresh_tokens`.

use chrono::{DateTime, Utc};
use ids::{SessionId, UserId};
use sqlx::PgConnection;

use crate::model::TokenHash;

/// A refresh token with its session and person, the token and the person locked.
pub struct Presented {
    /// Its session.
    pub session: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
    /// When it was used, and the salt that its successor was made with.
    pub used: Option<(DateTime<Utc>, Vec<u8>)>,
    /// Whether the session has ended.
    pub session_revoked: bool,
    /// Whether the account has been deleted.
    pub deleted: bool,
    /// Whether the account may be used.
    pub active: bool,
}

/// Reads a token and keeps others from using it until the transaction ends.
pub async fn lock_token(conn: &mut PgConnection, hash: &TokenHash) -> Result<Option<Presented>, pg::Error> {
    let row = sqlx::query!(
        r#"SELECT r.session_id, s.user_id, r.expires_at, r.used_at, r.successor_salt,
                  s.revoked_at AS session_revoked_at, u.deleted_at, u.active
           FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id JOIN users u ON u.id = s.user_id
           WHERE r.token_hash = $1
           FOR UPDATE OF r FOR SHARE OF u"#,
        hash.as_slice(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Presented {
        session: row.session_id.into(),
        user: row.user_id.into(),
        expires_at: row.expires_at,
        used: row.used_at.zip(row.successor_salt),
        session_revoked: row.session_revoked_at.is_some(),
        deleted: row.deleted_at.is_some(),
        active: row.active,
    }))
}

/// The exchange of one token for its successor.
pub struct Exchange<'a> {
    /// The token that is used up.
    pub used: &'a TokenHash,
    /// What its successor is made with.
    pub salt: &'a [u8],
    /// The successor.
    pub successor: &'a TokenHash,
    /// When the successor expires.
    pub expires_at: DateTime<Utc>,
    /// The session of both.
    pub session: SessionId,
}

/// Marks a token as used and inserts its successor. Returns the person's granted roles, or nothing if the session has
/// ended meanwhile: roll back then.
pub async fn exchange(
    conn: &mut PgConnection,
    exchange: &Exchange<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Vec<String>>, pg::Error> {
    let roles = sqlx::query_scalar!(
        r#"WITH used AS (
               UPDATE refresh_tokens SET used_at = $2, successor_salt = $3 WHERE token_hash = $1
           ), successor AS (
               INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at) VALUES ($4, $6, $2, $5)
           )
           UPDATE sessions s SET last_used_at = $2, expires_at = $5 WHERE s.id = $6 AND s.revoked_at IS NULL
           RETURNING ARRAY(SELECT role FROM user_roles r WHERE r.user_id = s.user_id) AS "roles!""#,
        exchange.used.as_slice(),
        now,
        exchange.salt,
        exchange.successor.as_slice(),
        exchange.expires_at,
        exchange.session.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(roles)
}

/// The granted roles of a live session's person, or nothing if the session has ended.
pub async fn find_roles(conn: &mut PgConnection, session: SessionId) -> Result<Option<Vec<String>>, pg::Error> {
    let roles = sqlx::query_scalar!(
        r#"SELECT ARRAY(SELECT role FROM user_roles r WHERE r.user_id = s.user_id) AS "roles!"
           FROM sessions s WHERE s.id = $1 AND s.revoked_at IS NULL"#,
        session.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(roles)
}
