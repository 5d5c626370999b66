//! Table `login_failures`: failed log-ins by what was typed, whether anybody has that name or not; and what people who are
//! logged in have failed to prove, each session by itself.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::model::TokenHash;
use crate::model::lockout::{Policy, Standing};

/// Counts an attempt with a name as failed before it is tried, unless the name is locked.
pub async fn count_attempt(
    conn: &mut PgConnection,
    name: &TokenHash,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Standing, pg::Error> {
    let counted = sqlx::query!(
        r#"INSERT INTO login_failures AS l (identifier_hash, failed_attempts, last_failed_at, locked_until)
           VALUES ($1, 1, $2, CASE WHEN 1 >= $3::int4 THEN $4::timestamptz END)
           ON CONFLICT (identifier_hash) DO UPDATE SET
               failed_attempts = CASE WHEN l.locked_until IS NOT NULL OR l.last_failed_at <= $5 THEN 1 ELSE l.failed_attempts + 1 END,
               last_failed_at = $2,
               locked_until = CASE WHEN (CASE WHEN l.locked_until IS NOT NULL OR l.last_failed_at <= $5 THEN 1 ELSE l.failed_attempts + 1 END) >= $3
                              THEN $4::timestamptz END
           WHERE l.locked_until IS NULL OR l.locked_until <= $2
           RETURNING l.failed_attempts, l.locked_until"#,
        name.as_slice(),
        now,
        policy.max_attempts,
        now + policy.duration,
        now - policy.forget_after,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = counted {
        let (failed_attempts, locked_until) = (row.failed_attempts, row.locked_until);
        return Ok(Standing { failed_attempts, locked_until, admitted: true });
    }
    let locked = sqlx::query!(
        "SELECT failed_attempts, locked_until FROM login_failures WHERE identifier_hash = $1",
        name.as_slice(),
    )
    .fetch_optional(conn)
    .await?;
    // Without a row it was swept a moment ago: its time was over.
    Ok(locked.map_or(Standing { failed_attempts: 0, locked_until: None, admitted: false }, |row| Standing {
        failed_attempts: row.failed_attempts,
        locked_until: row.locked_until,
        admitted: false,
    }))
}

/// Takes back one counted attempt, and the lock that it may have set.
pub async fn refund_attempt(conn: &mut PgConnection, name: &TokenHash) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"UPDATE login_failures SET failed_attempts = greatest(failed_attempts - 1, 0), locked_until = NULL
           WHERE identifier_hash = $1"#,
        name.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the failures with a name.
pub async fn forget(conn: &mut PgConnection, name: &TokenHash) -> Result<(), pg::Error> {
    sqlx::query!("DELETE FROM login_failures WHERE identifier_hash = $1", name.as_slice()).execute(conn).await?;
    Ok(())
}
