//! A database that a backup is put into.

use std::str::FromStr;

use anyhow::{Context, bail};
use pg::{PoolConfig, restoring};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::backup::TOOL;
use crate::backup::manifest::Migration;
use crate::backup::point::{installation, migrations};

/// What is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing, or what a restore left that was cut off.
    Nothing,
    /// Tables.
    Something,
}

/// See the module.
pub struct Target {
    name: &'static str,
    /// The server's major version.
    pub server: u32,
    connection: PgConnection,
}

impl Target {
    /// Connects, without time-outs.
    ///
    /// # Errors
    /// If it can't be reached, or only through PgBouncer.
    pub async fn open(name: &'static str, pool: &PoolConfig) -> anyhow::Result<Self> {
        if pool.pgbouncer {
            bail!(
                "{name} is reached through PgBouncer, which pg_restore can't work behind: for this command set its database.url \
                 to the server itself, and its database.pgbouncer to false"
            );
        }
        let options = PgConnectOptions::from_str(&pool.url)?.application_name(TOOL);
        let options = options.options([("statement_timeout", "0"), ("client_min_messages", "warning")]);
        let connection = options.connect().await.with_context(|| format!("{name} can't be reached"))?;
        let server = connection.server_version_num().unwrap_or(0) / 10_000;
        Ok(Self { name, server, connection })
    }

    /// Whether there is something in it that a restore would overwrite.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn holds(&mut self) -> anyhow::Result<Holds> {
        if restoring::is_under_way(&mut self.connection).await? {
            return Ok(Holds::Nothing);
        }
        // What belongs to an extension is nobody's data.
        let there: bool = sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT FROM pg_class c
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                   AND NOT EXISTS (SELECT FROM pg_depend d
                                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))",
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok(if there { Holds::Something } else { Holds::Nothing })
    }

    /// Whether a table is there, whole, and has rows.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_rows(&mut self, table: &'static str) -> anyhow::Result<bool> {
        let there: bool = sqlx::query_scalar("SELECT to_regclass('public.' || $1) IS NOT NULL")
            .bind(table)
            .fetch_one(&mut self.connection)
            .await?;
        // pg_restore fills tables before it gives them their keys, each in a transaction of its own.
        if !there || restoring::is_part(&mut self.connection).await? {
            return Ok(false);
        }
        let sql = AssertSqlSafe(format!("SELECT EXISTS (SELECT FROM {table})"));
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.connection).await?)
    }

    /// The name of the installation whose keys it holds, if it has one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn installation(&mut self) -> anyhow::Result<Option<String>> {
        Ok(installation(&mut self.connection).await?)
    }

    /// The migrations that are in force.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn migrations(&mut self) -> anyhow::Result<Vec<Migration>> {
        Ok(migrations(&mut self.connection).await?)
    }

    /// Lets go of it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.connection.close().await?)
    }

    /// Who else is connected, by their names.
    async fn others(&mut self) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT DISTINCT COALESCE(NULLIF(application_name, ''), 'pid ' || pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1",
        )
        .fetch_all(&mut self.connection)
        .await
    }

    /// Removes everything but the mark.
    ///
    /// # Errors
    /// If the database fails; nothing is removed then.
    pub async fn clear(&mut self) -> anyhow::Result<()> {
        let mut tx = self.connection.begin().await?;
        tx.execute("DROP SCHEMA public CASCADE").await.with_context(|| format!("{} can't be emptied", self.name))?;
        tx.execute("CREATE SCHEMA public").await?;
        restoring::begin(&mut tx).await?;
        restoring::note_cleared(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Notes that all of it is there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn note_whole(&mut self) -> anyhow::Result<()> {
        Ok(restoring::note_whole(&mut self.connection).await?)
    }

    /// Lets the server learn what the tables hold.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn analyze(&mut self) -> anyhow::Result<()> {
        self.connection.execute("ANALYZE").await?;
        Ok(())
    }

    /// Lets services start on it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        restoring::end(&mut self.connection).await?;
        self.connection.close().await?;
        Ok(())
    }
}

/// Marks all databases, so that nothing starts on them, and makes sure that nobody has.
///
/// # Errors
/// If somebody is connected to one of them: the marks are removed again then.
pub async fn mark_all(targets: &mut [Target]) -> anyhow::Result<()> {
    let mut marked = vec![];
    for target in targets.iter_mut() {
        marked.push(restoring::is_under_way(&mut target.connection).await?);
        restoring::begin(&mut target.connection).await?;
    }
    let mut busy = None;
    for target in targets.iter_mut() {
        let others = target.others().await?;
        if !others.is_empty() {
            busy.get_or_insert_with(|| format!("{} is in use by {}", target.name, others.join(", ")));
        }
    }
    let Some(busy) = busy else { return Ok(()) };
    for (target, was_marked) in targets.iter_mut().zip(marked) {
        if !was_marked {
            restoring::end(&mut target.connection).await?;
        }
    }
    bail!("{busy}: stop every nova and every service first; nothing was changed");
}

/// Makes sure that nobody has connected besides us: what runs may have read, or kept, what is only half there.
///
/// # Errors
/// If somebody is connected.
pub async fn must_be_alone(targets: &mut [Target]) -> anyhow::Result<()> {
    for target in targets {
        let mut others = target.others().await?;
        others.retain(|name| name != TOOL); // our own, which are closing
        if !others.is_empty() {
            bail!(
                "{} was connected to by {} meanwhile: stop every nova and every service, and run it again",
                target.name,
                others.join(", ")
            );
        }
    }
    Ok(())
}
