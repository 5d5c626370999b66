//! Removes what has no effect any more, in batches, so that no statement holds many locks.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What there is to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rubbish {
    /// Refresh tokens that have expired.
    ExpiredRefreshTokens,
    /// Refresh tokens that have been used. What they were is told by their tag then.
    UsedRefreshTokens,
    /// Refresh tokens whose session has ended.
    EndedRefreshTokens,
    /// Sessions that ended or expired and have no refresh tokens left.
    Sessions,
    /// Tokens of mails that have expired.
    OneTimeTokens,
    /// Failed log-ins.
    LoginFailures,
}

/// Removes one batch of what came to its end before a time. Returns how many rows went.
pub async fn delete_batch(
    conn: &mut PgConnection,
    what: Rubbish,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, pg::Error> {
    match what {
        Rubbish::ExpiredRefreshTokens => delete_expired_refresh_tokens(conn, before, batch).await,
        Rubbish::UsedRefreshTokens => delete_used_refresh_tokens(conn, before, batch).await,
        Rubbish::EndedRefreshTokens => delete_ended_refresh_tokens(conn, before, batch).await,
        Rubbish::Sessions => delete_sessions(conn, before, batch).await,
        Rubbish::OneTimeTokens => delete_one_time_tokens(conn, before, batch).await,
        Rubbish::LoginFailures => delete_login_failures(conn, before, batch).await,
    }
}

async fn delete_expired_refresh_tokens(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        r#"DELETE FROM refresh_tokens WHERE token_hash IN (
               SELECT token_hash FROM refresh_tokens WHERE expires_at <= $1
               ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )"#,
        now,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn delete_used_refresh_tokens(
    conn: &mut PgConnection,
    used_before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        r#"DELETE FROM refresh_tokens WHERE token_hash IN (
               SELECT token_hash FROM refresh_tokens WHERE used_at <= $1
               ORDER BY used_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )"#,
        used_before,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn delete_ended_refresh_tokens(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        r#"DELETE FROM refresh_tokens WHERE token_hash IN (
               SELECT r.token_hash FROM sessions s JOIN refresh_tokens r ON r.session_id = s.id
               WHERE s.revoked_at <= $1 LIMIT $2 FOR UPDATE OF r SKIP LOCKED
           )"#,
        ended_before,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn delete_sessions(conn: &mut PgConnection, ended_before: DateTime<Utc>, batch: i64) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        r#"DELETE FROM sessions WHERE id IN (
               SELECT s.id FROM sessions s
               WHERE (s.revoked_at <= $1 OR (s.revoked_at IS NULL AND s.expires_at <= $1))
                 AND NOT EXISTS (SELECT FROM refresh_tokens r WHERE r.session_id = s.id)
               LIMIT $2 FOR UPDATE OF s SKIP LOCKED
           )"#,
        ended_before,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

async fn delete_one_time_tokens(conn: &mut PgConnection, now: DateTime<Utc>, batch: i64) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        r#"DELETE FROM one_time_tokens WHERE (user_id, purpose) IN (
               SELECT user_id, purpose FROM one_time_tokens WHERE expires_at <= $1
               ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )"#,
        now,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets failed log-ins that do not count any more. A lock does not last longer than they do.
async fn delete_login_failures(
    conn: &mut PgConnection,
    failed_before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, pg::Error> {
    let done = sqlx::query!(
        r#"DELETE FROM login_failures WHERE identifier_hash IN (
               SELECT identifier_hash FROM login_failures WHERE last_failed_at <= $1
               ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )"#,
        failed_before,
        batch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
