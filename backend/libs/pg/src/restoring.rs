//! A database that is being restored is marked until everything is in place: nothing starts on half of it.

use sqlx::migrate::Migrator;
use sqlx::{Connection, Executor, PgConnection};

use crate::migrate::{connect, run};
use crate::{Error, PoolConfig};

/// Marks a database, again if it is marked already.
///
/// # Errors
/// If the database fails.
pub async fn begin(conn: &mut PgConnection) -> Result<(), Error> {
    conn.execute("CREATE TABLE IF NOT EXISTS restore_under_way (begun_at timestamptz NOT NULL DEFAULT now())").await?;
    Ok(())
}

/// Whether a restore of the database has begun and not ended.
///
/// # Errors
/// If the database fails.
pub async fn is_under_way(conn: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar("SELECT to_regclass('public.restore_under_way') IS NOT NULL").fetch_one(conn).await?)
}

/// Notes that what the database held has been removed: until [`note_whole`], what it holds is part of something.
///
/// # Errors
/// If the database fails, or it is not marked.
pub async fn note_cleared(conn: &mut PgConnection) -> Result<(), Error> {
    conn.execute("INSERT INTO restore_under_way DEFAULT VALUES").await?;
    Ok(())
}

/// Notes that everything that was put into the database is there.
///
/// # Errors
/// If the database fails, or it is not marked.
pub async fn note_whole(conn: &mut PgConnection) -> Result<(), Error> {
    conn.execute("DELETE FROM restore_under_way").await?;
    Ok(())
}

/// Whether a restore was cut off while it filled the database.
///
/// # Errors
/// If the database fails.
pub async fn is_part(conn: &mut PgConnection) -> Result<bool, Error> {
    if !is_under_way(conn).await? {
        return Ok(false);
    }
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM restore_under_way)").fetch_one(conn).await?)
}

/// Removes the mark.
///
/// # Errors
/// If the database fails.
pub async fn end(conn: &mut PgConnection) -> Result<(), Error> {
    conn.execute("DROP TABLE IF EXISTS restore_under_way").await?;
    Ok(())
}

/// Applies what is pending in a database that is marked.
///
/// # Errors
/// As [`crate::migrate()`].
pub async fn migrate(config: &PoolConfig, migrator: &Migrator) -> Result<(), Error> {
    let mut connection = connect(config).await?;
    run(&mut connection, migrator).await?;
    connection.close().await?;
    Ok(())
}
