//! Forward-only migrations, safe when several replicas start at once (sqlx takes an advisory lock).

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::{Error, PoolConfig, restoring};

/// A start may wait longer for a busy server than a call does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Applies what is pending, on a connection of its own without a statement time-out.
///
/// # Errors
/// If the database can't be reached, is being restored, or a migration fails; a failed migration is rolled back.
pub async fn migrate(config: &PoolConfig, migrator: &Migrator) -> Result<(), Error> {
    let mut connection = open(config).await?;
    run(&mut connection, migrator).await?;
    connection.close().await?;
    Ok(())
}

pub(crate) async fn run(connection: &mut PgConnection, migrator: &Migrator) -> Result<(), Error> {
    migrator.run_direct(None, connection, false).await.map_err(from_migrate)
}

/// How many migrations wait to be applied.
///
/// # Errors
/// If the database can't be reached, or is being restored.
pub async fn pending(config: &PoolConfig, migrator: &Migrator) -> Result<usize, Error> {
    let mut connection = open(config).await?;
    let known = sqlx::query_scalar::<_, bool>("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut connection)
        .await?;
    let applied: Vec<i64> = if known {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(&mut connection).await?
    } else {
        vec![]
    };
    connection.close().await?;
    Ok(migrator.iter().filter(|m| !applied.contains(&m.version)).count())
}

/// Connects, unless half of the database may be missing.
async fn open(config: &PoolConfig) -> Result<PgConnection, Error> {
    let mut connection = connect(config).await?;
    if restoring::is_under_way(&mut connection).await? { Err(Error::BeingRestored) } else { Ok(connection) }
}

pub(crate) async fn connect(config: &PoolConfig) -> Result<PgConnection, Error> {
    let mut options = PoolConfig { pgbouncer: true, ..config.clone() }.connect_options()?;
    if !config.pgbouncer {
        options = options.options([("client_min_messages", "warning")]); // no notice of tables that are there already
    }
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(Error::Unavailable("connecting took too long".into())),
    }
}

fn from_migrate(error: sqlx::migrate::MigrateError) -> Error {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => error.into(),
        other => Error::Statement(sqlx::Error::Migrate(Box::new(other))),
    }
}
