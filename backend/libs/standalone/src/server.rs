//! `DATABASE_URL` names a server; each service has a database of its own on it.

use anyhow::Context;
use chassis::config::Secret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

/// The address of database `name` on the server that `url` names; it is made if it is missing.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn database_on_server(url: &str, name: &str) -> anyhow::Result<Secret> {
    let options: PgConnectOptions =
        url.parse().context("DATABASE_URL is not postgres://user:password@host:port/database")?;
    let mut connection = options.connect().await.context("the server of DATABASE_URL does not answer")?;
    if !exists(&mut connection, name).await? {
        let made = connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await;
        // Of programs that start at once one makes it.
        if made.is_err() && !exists(&mut connection, name).await? {
            made.with_context(|| {
                format!("database {name} is missing and the user of DATABASE_URL may not make it: make it by hand")
            })?;
        }
    }
    connection.close().await?;
    tracing::info!("using database {name} on the server of DATABASE_URL");
    Ok(options.database(name).to_url_lossy().to_string().into())
}

async fn exists(connection: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(connection)
        .await
}
