//! What is done over SQL once PostgreSQL runs: the databases, and the password for TCP.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::{Error, SUPERUSER, Version};

/// Connects to the maintenance database over the Unix socket.
pub(crate) async fn connect(run: &std::path::Path, port: u16) -> Result<PgConnection, Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(run)
        .port(port)
        .username(SUPERUSER)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging(); // one of the statements carries a password
    options.connect().await.map_err(Error::sql("connecting to it"))
}

/// Makes the databases that are missing, sets the password, and tells the server's version.
pub(crate) async fn prepare(
    mut connection: PgConnection,
    databases: &[String],
    password: Option<&str>,
) -> Result<Version, Error> {
    let known: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database")
        .fetch_all(&mut connection)
        .await
        .map_err(Error::sql("listing its databases"))?;
    for name in databases.iter().filter(|name| !known.contains(name)) {
        let statement = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .map_err(Error::sql(format!("making the database {name}")))?;
        tracing::info!(db.name = name, "made the database {name}");
    }
    if let Some(password) = password {
        let statement = format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'", password.replace('\'', "''"));
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .map_err(Error::sql("setting the password"))?;
    }
    let number = connection.server_version_num().unwrap_or_default();
    connection.close().await.map_err(Error::sql("closing the connection"))?;
    Ok(Version { major: number / 10_000, minor: number % 10_000 })
}
