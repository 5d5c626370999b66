//! Tables `totp` and `recovery_codes`.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;

use crate::model::TokenHash;

/// A person's second factor.
pub struct Factor {
    /// The shared secret, sealed.
    pub secret_sealed: Vec<u8>,
    /// Whether it is in force.
    pub confirmed: bool,
    /// The newest time step whose code was accepted.
    pub last_step: i64,
}

/// Reads a person's second factor, confirmed or not.
pub async fn find_factor(conn: &mut PgConnection, user: UserId) -> Result<Option<Factor>, pg::Error> {
    let row = sqlx::query!("SELECT secret_sealed, confirmed_at, last_step FROM totp WHERE user_id = $1", user.uuid())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| Factor {
        secret_sealed: row.secret_sealed,
        confirmed: row.confirmed_at.is_some(),
        last_step: row.last_step,
    }))
}

/// Stores a secret that waits for confirmation. False if a confirmed one is there.
pub async fn upsert_pending(
    conn: &mut PgConnection,
    user: UserId,
    secret_sealed: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        r#"INSERT INTO totp AS t (user_id, secret_sealed, created_at) VALUES ($1, $2, $3)
           ON CONFLICT (user_id) DO UPDATE SET secret_sealed = $2, created_at = $3, last_step = 0
           WHERE t.confirmed_at IS NULL"#,
        user.uuid(),
        secret_sealed,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Puts a secret into force. False if it is not the one that waits any more.
pub async fn confirm(
    conn: &mut PgConnection,
    user: UserId,
    secret_sealed: &[u8],
    step: i64,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        r#"UPDATE totp SET confirmed_at = $4, last_step = $3
           WHERE user_id = $1 AND confirmed_at IS NULL AND secret_sealed = $2"#,
        user.uuid(),
        secret_sealed,
        step,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Uses up a time step. False if it, or a later one, has been used.
pub async fn use_step(conn: &mut PgConnection, user: UserId, step: i64) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2",
        user.uuid(),
        step,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a person's second factor and recovery codes. False if there was none in force.
pub async fn delete_factor(conn: &mut PgConnection, user: UserId) -> Result<bool, pg::Error> {
    let done = sqlx::query!("DELETE FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL", user.uuid())
        .execute(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", user.uuid()).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

/// Stores recovery codes, in place of older ones.
pub async fn replace_recovery_codes(
    conn: &mut PgConnection,
    user: UserId,
    hashes: &[TokenHash],
) -> Result<(), pg::Error> {
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.as_slice().to_vec()).collect();
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", user.uuid()).execute(&mut *conn).await?;
    sqlx::query!(
        "INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])",
        user.uuid(),
        &hashes,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a recovery code is there to be used.
pub async fn has_recovery_code(conn: &mut PgConnection, user: UserId, hash: &TokenHash) -> Result<bool, pg::Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM recovery_codes WHERE user_id = $1 AND code_hash = $2) AS "found!""#,
        user.uuid(),
        hash.as_slice(),
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Uses up a recovery code. False if it was used meanwhile.
pub async fn use_recovery_code(conn: &mut PgConnection, user: UserId, hash: &TokenHash) -> Result<bool, pg::Error> {
    let done =
        sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2", user.uuid(), hash.as_slice(),)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() > 0)
}
