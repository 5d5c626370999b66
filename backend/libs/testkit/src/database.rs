//! A database for each test, copied from a migrated template (about 50 ms).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::Context;
use chassis::config::{Database, Secret};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

/// Test processes that run at once each need a server folder of their own.
const MAX_PROCESSES: usize = 64;
/// Any number; it keeps processes that share a server from making the same template at once.
const TEMPLATE_LOCK: i64 = 7_265_411;

/// A migrated database of one test.
pub struct TestDatabase {
    /// Its address.
    pub url: String,
}

enum Server {
    Own(Box<pgboot::Postgres>),
    Provided(String),
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

impl TestDatabase {
    /// A new database with `migrator`'s schema.
    ///
    /// # Panics
    /// If there is no PostgreSQL to be had; the message says what to do.
    pub async fn new(migrator: &Migrator) -> Self {
        match Self::try_new(migrator).await {
            Ok(database) => database,
            Err(error) => panic!("no test database: {error:#}"),
        }
    }

    async fn try_new(migrator: &Migrator) -> anyhow::Result<Self> {
        let server = SERVER.get_or_try_init(Server::start).await?;
        let template = template_name(migrator);
        let mut connection = server.connect("postgres").await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await?;
        let made: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)")
                .bind(&template)
                .fetch_one(&mut connection)
                .await?;
        if !made {
            execute(&mut connection, format!(r#"DROP DATABASE IF EXISTS "{template}" WITH (FORCE)"#)).await?;
            execute(&mut connection, format!(r#"CREATE DATABASE "{template}""#)).await?;
            let mut migrated = server.connect(&template).await?;
            migrator.run_direct(None, &mut migrated, false).await.context("migrations")?;
            migrated.close().await?;
            execute(&mut connection, format!(r#"ALTER DATABASE "{template}" IS_TEMPLATE true"#)).await?;
        }
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        execute(&mut connection, format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#)).await?;
        connection.close().await?; // gives the lock back
        Ok(Self { url: server.url(&name) })
    }

    /// A copy as a backup would restore it. Nobody else may be connected to this one.
    ///
    /// # Panics
    /// If the server does not make it.
    pub async fn copy(&self) -> Self {
        let server = SERVER.get().expect("it runs, since this database is there");
        let options: PgConnectOptions = self.url.parse().expect("a database address");
        let from = options.get_database().expect("a name").to_owned();
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let mut connection = server.connect("postgres").await.expect("the test's own server answers");
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{from}""#);
        execute(&mut connection, sql).await.expect("nobody else is connected to it");
        Self { url: server.url(&name) }
    }

    /// The configuration section that makes a service use it.
    pub fn section(&self) -> Database {
        Database { url: Secret::from(self.url.as_str()), max_connections: 8, ..Database::default() }
    }

    /// A connection of the test's own, to look at what the service wrote or to break it.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().expect("a database address");
        options.connect().await.expect("the test's own server answers")
    }
}

impl Server {
    async fn start() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("NOVA_TEST_PG") {
            return Ok(Self::Provided(url));
        }
        let server = Self::Own(Box::new(own_server().await?));
        let mut connection = server.connect("postgres").await?;
        let leftovers: Vec<String> =
            sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE 'test\\_%'")
                .fetch_all(&mut connection)
                .await?;
        for name in leftovers {
            execute(&mut connection, format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#)).await?;
        }
        Ok(server)
    }

    fn url(&self, database: &str) -> String {
        match self {
            Self::Own(server) => server.url(database),
            Self::Provided(url) => {
                let options: PgConnectOptions = url.parse().expect("NOVA_TEST_PG is a postgres:// address");
                options.database(database).to_url_lossy().to_string()
            }
        }
    }

    async fn connect(&self, database: &str) -> anyhow::Result<PgConnection> {
        let options: PgConnectOptions = self.url(database).parse().context("NOVA_TEST_PG")?;
        options.connect().await.context("the test server does not answer")
    }
}

/// The first free folder of a few: what initdb made is used again by the next run, and no run waits for another.
async fn own_server() -> anyhow::Result<pgboot::Postgres> {
    let mut last = None;
    for n in 0..MAX_PROCESSES {
        let home = folder(n);
        let options = pgboot::Options {
            durable: false,
            // Checkpoints in the middle of a run make everybody wait for the disk.
            settings: [("max_connections", "400"), ("max_wal_size", "4GB"), ("checkpoint_timeout", "1h")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
            ..pgboot::Options::new(&home)
        };
        match pgboot::Postgres::start(&options).await {
            Ok(server) => return Ok(server),
            Err(error @ pgboot::Error::InUse { .. }) => last = Some(error),
            Err(error) => {
                // A run that was cut off may leave a folder that is of no use; there is nothing of worth in it.
                let _ = std::fs::remove_dir_all(&home);
                last = Some(error);
            }
        }
    }
    Err(last.context("no folder was tried")?.into())
}

fn folder(n: usize) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("nova-test-{user}")).join(format!("pg-{n}"))
}

fn template_name(migrator: &Migrator) -> String {
    let mut hasher = DefaultHasher::new();
    for migration in migrator.iter() {
        (migration.version, &*migration.description, &*migration.checksum).hash(&mut hasher);
    }
    format!("template_{:016x}", hasher.finish())
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    connection.execute(AssertSqlSafe(sql)).await.map(drop)
}
