//! Locks by name, held until the transaction ends: whoever dies gives them back, behind PgBouncer too.

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::PgConnection;

/// The key of a name; two names may share one, and then wait for each other.
pub(crate) fn key(what: &str, of: &str) -> i64 {
    let hash = digest(&SHA256, format!("nova-events:{what}:{of}").as_bytes());
    i64::from_be_bytes(*hash.as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
}

/// Takes the lock if nobody has it.
pub(crate) async fn try_exclusive(conn: &mut PgConnection, key: i64) -> Result<bool, pg::Error> {
    Ok(sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(key).fetch_one(conn).await?)
}

/// Waits until nobody has the lock for themself, and shares it.
#[cfg(feature = "kafka")]
pub(crate) async fn shared(conn: &mut PgConnection, key: i64) -> Result<(), pg::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(key).execute(conn).await?;
    Ok(())
}

/// Waits for the lock.
pub(crate) async fn exclusive(conn: &mut PgConnection, key: i64) -> Result<(), pg::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(key).execute(conn).await?;
    Ok(())
}
