//! Table `signing_keys`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// A stored key.
pub struct StoredKey {
    /// Its id.
    pub kid: String,
    /// `RS256` or `EdDSA`.
    pub algorithm: String,
    /// The private key, sealed.
    pub private_sealed: Vec<u8>,
    /// From when on it signs.
    pub activates_at: DateTime<Utc>,
    /// From when on it signs no more.
    pub retires_at: Option<DateTime<Utc>>,
}

/// Keeps others from changing the keys until the transaction ends, so that two replicas that start at once make one key.
pub async fn lock_keys(conn: &mut PgConnection) -> Result<(), pg::Error> {
    sqlx::query!("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").execute(conn).await?;
    Ok(())
}

/// Keys that sign, will sign, or retired at or after a time; in the order in which they take over.
pub async fn list_keys(conn: &mut PgConnection, retired_since: DateTime<Utc>) -> Result<Vec<StoredKey>, pg::Error> {
    let rows = sqlx::query_as!(
        StoredKey,
        r#"SELECT kid, algorithm, private_sealed, activates_at, retires_at FROM signing_keys
           WHERE retires_at IS NULL OR retires_at >= $1
           ORDER BY activates_at, kid"#,
        retired_since,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Whether a key is there, retired or not.
pub async fn has_key(conn: &mut PgConnection, kid: &str) -> Result<bool, pg::Error> {
    let found = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM signing_keys WHERE kid = $1) AS "found!""#, kid)
        .fetch_one(conn)
        .await?;
    Ok(found)
}

/// Inserts a key that takes over from all others when it becomes active.
pub async fn insert_key(conn: &mut PgConnection, key: &StoredKey, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE signing_keys SET retires_at = greatest($1::timestamptz, activates_at) WHERE retires_at IS NULL",
        key.activates_at,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"INSERT INTO signing_keys (kid, algorithm, private_sealed, created_at, activates_at)
           VALUES ($1, $2, $3, $4, $5)"#,
        key.kid,
        key.algorithm,
        key.private_sealed,
        now,
        key.activates_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether this database holds anything that is sealed: signing keys, or secrets of one-time passwords.
pub async fn anything_is_sealed(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM signing_keys) OR EXISTS (SELECT FROM totp)").fetch_one(conn).await
}
