//! Table `credentials`: passwords, and the count of failed attempts.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;

use crate::model::lockout::{Policy, Standing};
use crate::model::{LoginName, TokenHash};

/// Finds the live account that a log-in name belongs to.
pub async fn find_account(conn: &mut PgConnection, name: &LoginName) -> Result<Option<UserId>, pg::Error> {
    let id = if name.is_email() {
        let query =
            sqlx::query_scalar!("SELECT id FROM users WHERE lower(email) = $1 AND deleted_at IS NULL", name.as_str());
        query.fetch_optional(conn).await?
    } else {
        let query =
            sqlx::query_scalar!("SELECT id FROM users WHERE username = $1 AND deleted_at IS NULL", name.as_str());
        query.fetch_optional(conn).await?
    };
    Ok(id.map(UserId::from))
}

/// The hash of a person's password; nothing if there is no such account.
pub async fn find_password_hash(conn: &mut PgConnection, id: UserId) -> Result<Option<String>, pg::Error> {
    let query = sqlx::query_scalar!("SELECT password_hash FROM credentials WHERE user_id = $1", id.uuid());
    Ok(query.fetch_optional(conn).await?)
}

/// Counts an attempt as failed before it is tried, unless the log-in is locked, and reads the hash of the password as it
/// is then. `None`: there is no such account.
///
/// Counting first bounds the guesses that are tried at once: N parallel ones never get more than `max_attempts` tries.
pub async fn count_attempt(
    conn: &mut PgConnection,
    id: UserId,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Option<(Standing, String)>, pg::Error> {
    let counted = sqlx::query!(
        r#"UPDATE credentials AS c SET
               failed_attempts = n.attempts,
               last_failed_at = $2,
               locked_until = CASE WHEN n.attempts >= $3 THEN $4::timestamptz END
           FROM (
               SELECT user_id, CASE WHEN locked_until IS NOT NULL OR last_failed_at <= $5 THEN 1 ELSE failed_attempts + 1 END AS attempts
               FROM credentials
               WHERE user_id = $1 AND (locked_until IS NULL OR locked_until <= $2)
               FOR UPDATE
           ) AS n
           WHERE c.user_id = n.user_id
           RETURNING c.failed_attempts, c.locked_until, c.password_hash"#,
        id.uuid(),
        now,
        policy.max_attempts,
        now + policy.duration,
        now - policy.forget_after,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = counted {
        let (failed_attempts, locked_until) = (row.failed_attempts, row.locked_until);
        return Ok(Some((Standing { failed_attempts, locked_until, admitted: true }, row.password_hash)));
    }
    let locked = sqlx::query!(
        "SELECT failed_attempts, locked_until, password_hash FROM credentials WHERE user_id = $1",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(locked.map(|row| {
        let (failed_attempts, locked_until) = (row.failed_attempts, row.locked_until);
        (Standing { failed_attempts, locked_until, admitted: false }, row.password_hash)
    }))
}

/// Takes back one counted attempt, and the lock that it may have set.
pub async fn refund_attempt(conn: &mut PgConnection, id: UserId) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE credentials SET failed_attempts = greatest(failed_attempts - 1, 0), locked_until = NULL WHERE user_id = $1",
        id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets failed attempts after a right password, those of the name that was `typed` too, and puts a newer hash in its
/// place. False if the password has been changed since it was compared: roll back then.
pub async fn clear_attempts(
    conn: &mut PgConnection,
    id: UserId,
    typed: Option<&TokenHash>,
    compared_hash: &str,
    newer_hash: Option<&str>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        r#"WITH typed AS (DELETE FROM login_failures WHERE identifier_hash = $4)
           UPDATE credentials SET failed_attempts = 0, last_failed_at = NULL, locked_until = NULL,
                                  password_hash = coalesce($3, password_hash)
           WHERE user_id = $1 AND password_hash = $2"#,
        id.uuid(),
        compared_hash,
        newer_hash,
        typed.map(TokenHash::as_slice),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whether a log-in is locked, through whichever of the person's names.
pub async fn is_locked(conn: &mut PgConnection, id: UserId, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let locked = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM credentials WHERE user_id = $1 AND locked_until > $2)
               OR EXISTS (
                   SELECT FROM login_failures WHERE locked_until > $2 AND identifier_hash IN (
                       SELECT sha256(convert_to(name, 'UTF8'))
                       FROM users, unnest(ARRAY[username, lower(email)]) AS name WHERE id = $1
                   )
               ) AS "locked!""#,
        id.uuid(),
        now,
    )
    .fetch_one(conn)
    .await?;
    Ok(locked)
}

/// Replaces a password and forgets failed attempts, whichever of the person's names they were made with.
pub async fn set_password(
    conn: &mut PgConnection,
    id: UserId,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"WITH names AS (
               DELETE FROM login_failures WHERE identifier_hash IN (
                   SELECT sha256(convert_to(name, 'UTF8'))
                   FROM users, unnest(ARRAY[username, lower(email)]) AS name WHERE id = $1
               )
           )
           UPDATE credentials SET password_hash = $2, password_changed_at = $3,
                                  failed_attempts = 0, last_failed_at = NULL, locked_until = NULL
           WHERE user_id = $1"#,
        id.uuid(),
        password_hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
