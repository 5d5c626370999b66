//! One moment in all databases. Each database has snapshots of its own, so they are taken one after another, in an order in which
//! whatever one of them refers to is in those that follow, and while no event passes from a database to the bus.

use std::str::FromStr;

use anyhow::{Context, bail};
use chassis::config::{EVENTS_DATABASE, ServiceConfig};
use chrono::{DateTime, Utc};
use clock::Clock;
use messaging_service::KEYS_DATABASE;
use pg::{Migrator, PoolConfig};
use sealing::MasterKeys;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::TOOL;
use super::manifest::{Migration, hex};

/// Messages, then the keys that they are sealed with; profiles, then the accounts that they belong to; and the bus last, which
/// knows of all of them (docs/adr/0018).
const ORDER: [&str; 5] =
    [messaging_service::DATABASE, KEYS_DATABASE, user_service::DATABASE, auth_service::root::DATABASE, EVENTS_DATABASE];

/// Who publishes from which database.
const RELAYS: [(&str, &str); 3] = [
    (messaging_service::DATABASE, messaging_service::Config::SECTION),
    (user_service::DATABASE, user_service::Config::SECTION),
    (auth_service::root::DATABASE, auth_service::Config::SECTION),
];

/// A batch takes milliseconds, or as long as the bus may take (10 s).
const WAIT_FOR_RELAY: &str = "SET LOCAL lock_timeout = '30s'";

/// A database as it is at a moment.
pub struct Snapshot {
    /// Its name as Nova knows it.
    pub name: &'static str,
    /// Its address.
    pub url: String,
    /// What pg_dump knows it by, for as long as the connection is open.
    pub id: String,
    /// The migrations in force.
    pub migrations: Vec<Migration>,
    /// The name of the master key that has wrapped its root key.
    pub master_key: Option<String>,
    /// The name of the installation, in people's keys.
    pub installation: Option<String>,
    connection: PgConnection,
}

/// See the module. Its snapshots are good for as long as it lives.
pub struct Point {
    /// All that was acknowledged before is in it.
    pub at: DateTime<Utc>,
    /// The server's major version, the highest if there are several.
    pub server: u32,
    /// In the order in which they were taken.
    pub snapshots: Vec<Snapshot>,
}

impl Point {
    /// Takes a snapshot of each database.
    ///
    /// # Errors
    /// With a sentence that says what to do.
    pub async fn take(
        databases: Vec<(&'static str, PoolConfig, &'static Migrator)>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let mut connections = vec![];
        for name in ORDER {
            let Some((_, pool, _)) = databases.iter().find(|(known, ..)| *known == name) else { continue };
            connections.push((name, pool.url.clone(), connect(name, pool).await?));
        }
        let mut turns = vec![];
        for (name, relay) in RELAYS {
            let Some((_, pool, _)) = databases.iter().find(|(known, ..)| *known == name) else { continue };
            let mut turn = connect(name, pool).await?;
            turn.execute("BEGIN").await?;
            turn.execute(WAIT_FOR_RELAY).await?;
            let held = events::hold_relay(&mut turn, relay).await;
            held.with_context(|| format!("the relay of {name} does not pause: does the event bus answer?"))?;
            turns.push(turn);
        }
        let (at, mut snapshots, mut server) = (clock.now(), vec![], 0);
        for (name, url, mut connection) in connections {
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let id: String = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut connection).await?;
            server = server.max(connection.server_version_num().unwrap_or(0) / 10_000);
            snapshots.push(Snapshot {
                name,
                url,
                id,
                migrations: vec![],
                master_key: None,
                installation: None,
                connection,
            });
        }
        for turn in turns {
            turn.close().await?; // rolls back
        }
        for snapshot in &mut snapshots {
            snapshot.look().await.with_context(|| format!("{} can't be read", snapshot.name))?;
        }
        Ok(Self { at, server, snapshots })
    }
}

impl Snapshot {
    async fn look(&mut self) -> anyhow::Result<()> {
        if pg::restoring::is_under_way(&mut self.connection).await? {
            bail!("a restore of it was begun and has not ended: let it end, or run it again");
        }
        self.migrations = migrations(&mut self.connection).await?;
        if self.migrations.is_empty() {
            // A job whose disk is not mounted, or without its configuration, finds a Nova that was made this moment.
            bail!("it is empty: are the data folder (NOVA_DATA_DIR) and DATABASE_URL those of your Nova?");
        }
        if has(&mut self.connection, "root_keys").await? {
            let wrapped: Option<Vec<u8>> = sqlx::query_scalar("SELECT wrapped FROM root_keys WHERE id = 1")
                .fetch_optional(&mut self.connection)
                .await?;
            self.master_key = wrapped.as_deref().and_then(MasterKeys::wrapped_by);
        }
        if self.name == KEYS_DATABASE {
            self.installation = installation(&mut self.connection).await?;
        }
        Ok(())
    }
}

/// The migrations that are in force in a database.
///
/// # Errors
/// If the database fails.
pub async fn migrations(connection: &mut PgConnection) -> sqlx::Result<Vec<Migration>> {
    if !has(connection, "_sqlx_migrations").await? {
        return Ok(vec![]);
    }
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(connection)
            .await?;
    let migration = |(version, checksum): (i64, Vec<u8>)| Migration { version, checksum: hex(&checksum) };
    Ok(rows.into_iter().map(migration).collect())
}

/// The name of the installation whose keys the database holds, if it has one.
///
/// # Errors
/// If the database fails.
pub async fn installation(keys: &mut PgConnection) -> sqlx::Result<Option<String>> {
    if !has(keys, "installation").await? {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT id::text FROM installation").fetch_optional(keys).await
}

async fn has(connection: &mut PgConnection, table: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT to_regclass('public.' || $1) IS NOT NULL").bind(table).fetch_one(connection).await
}

/// A connection without time-outs: a large database takes hours.
async fn connect(name: &str, pool: &PoolConfig) -> anyhow::Result<PgConnection> {
    if pool.pgbouncer {
        bail!(
            "{name} is reached through PgBouncer, which pg_dump can't work behind: for this command set its database.url to the \
             server itself, and its database.pgbouncer to false"
        );
    }
    let options = PgConnectOptions::from_str(&pool.url)?.application_name(TOOL).options([
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("lock_timeout", "0"),
    ]);
    options.connect().await.with_context(|| format!("{name} can't be reached"))
}
