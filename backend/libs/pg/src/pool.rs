//! A pool of sqlx connections that adds no round trips of its own.
//!
//! sqlx's pool tests a connection each time it is given back (one round trip and one task a query) and tries again for as
//! long as a server refuses connections. Here a connection is tested only if some connection has failed since it was
//! opened, and a database that is down is reported at once. See docs/adr/0003.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType};
use log::LevelFilter;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::meters::Meters;
use crate::{Error, request};

/// How the pool connects and what bounds its queries.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// `postgres://user:password@host:port/database`, or with `?host=/socket/folder`.
    pub url: String,
    /// Name shown in `pg_stat_activity`.
    pub application_name: String,
    /// Most connections open at once.
    pub max_connections: usize,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// Behind PgBouncer in transaction mode: no prepared statements are kept and no settings are sent at connect.
    pub pgbouncer: bool,
    /// Every statement finds its rows by an index and in the index's order. A plan is kept for the life of a connection:
    /// one that was made while a table was small, or before its statistics were, would read and sort all of a table that
    /// has grown.
    pub plans_by_index: bool,
}

impl PoolConfig {
    /// sqlx's options for one connection.
    ///
    /// # Errors
    /// If the address can't be read.
    pub fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options = PgConnectOptions::from_str(&self.url)?.application_name(&self.application_name);
        let options =
            options.log_statements(LevelFilter::Trace).log_slow_statements(LevelFilter::Warn, Duration::from_secs(1));
        if self.pgbouncer {
            return Ok(options.statement_cache_capacity(0));
        }
        let ms = |d: Duration| d.as_millis().to_string();
        let by_scan = if self.plans_by_index { "off" } else { "on" };
        let options = options.options(["seqscan", "bitmapscan", "sort"].map(|way| (format!("enable_{way}"), by_scan)));
        Ok(options.statement_cache_capacity(512).options([
            ("statement_timeout", ms(self.statement_timeout)),
            ("lock_timeout", ms(self.lock_timeout)),
            ("idle_in_transaction_session_timeout", ms(self.statement_timeout * 2)),
            ("client_connection_check_interval", "250".to_owned()),
            // compiling a plan costs more than any of our statements
            ("jit", "off".to_owned()),
            ("timezone", "UTC".to_owned()),
        ]))
    }

    /// The host of a server on another machine whose address does not insist on TLS (`sslmode=require`, `verify-ca` or
    /// `verify-full`).
    pub fn plaintext_host(&self) -> Option<String> {
        let options = PgConnectOptions::from_str(&self.url).ok()?;
        let insists =
            matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        let host = options.get_host();
        let is_here = options.get_socket().is_some()
            || host.starts_with('/')
            || host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        (!insists && !is_here).then(|| host.to_owned())
    }
}

struct Opened {
    connection: PgConnection,
    tested_at: Instant,
}

/// Microseconds since [`EPOCH`] at which a connection of this process last turned out to be broken; 0 is never.
static BROKEN_AT: AtomicU64 = AtomicU64::new(0);
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Remembers that a connection broke, so that those opened before are tested before they are used again.
pub(crate) fn suspect_connections() {
    BROKEN_AT.fetch_max(since_epoch(Instant::now()), Ordering::Relaxed);
}

fn since_epoch(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*EPOCH).as_micros()).unwrap_or(u64::MAX).max(1)
}

struct Manager {
    options: PgConnectOptions,
}

impl managed::Manager for Manager {
    type Type = Opened;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Opened, sqlx::Error> {
        let tested_at = Instant::now();
        let connection = self.options.connect().await?;
        Ok(Opened { connection, tested_at })
    }

    async fn recycle(&self, opened: &mut Opened, _: &Metrics) -> RecycleResult<sqlx::Error> {
        if since_epoch(opened.tested_at) <= BROKEN_AT.load(Ordering::Relaxed) {
            let now = Instant::now();
            opened.connection.ping().await.map_err(RecycleError::Backend)?;
            opened.tested_at = now;
        }
        Ok(())
    }
}

/// A pool of connections to one database. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: managed::Pool<Manager>,
    config: Arc<PoolConfig>,
    meters: Arc<Meters>,
}

impl Pool {
    /// Makes a pool; connections are opened when they are needed.
    ///
    /// # Errors
    /// If the address can't be read.
    pub fn new(config: PoolConfig) -> Result<Self, Error> {
        LazyLock::force(&EPOCH);
        let manager = Manager { options: config.connect_options()? };
        let connections = managed::Pool::builder(manager)
            .max_size(config.max_connections)
            .wait_timeout(Some(config.acquire_timeout))
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("time-outs have a runtime");
        let meters = Arc::new(Meters::of(&config.application_name));
        Ok(Self { connections, config: Arc::new(config), meters })
    }

    /// The configuration that the pool was made with.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// A connection for statements that each commit by themselves.
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once if the database can't be reached, [`Error::PoolTimeout`] if none became free.
    pub async fn conn(&self) -> Result<Conn, Error> {
        let asked = Instant::now();
        let got = self.connections.get().await;
        self.meters.record(asked, got.as_ref().err());
        let object = match got {
            Ok(object) => object,
            Err(PoolError::Backend(error)) => return Err(error.into()),
            Err(PoolError::Timeout(TimeoutType::Wait)) => return Err(Error::PoolTimeout),
            Err(error) => return Err(Error::Unavailable(error.to_string().into())),
        };
        Ok(Conn { object: Some(object), in_request: request::is_polling() })
    }

    /// Opens a transaction; dropping it rolls back.
    ///
    /// # Errors
    /// As [`Self::conn`].
    pub async fn begin(&self) -> Result<Tx, Error> {
        let mut conn = self.conn().await?;
        conn.execute("BEGIN").await?;
        Ok(Tx { conn: Some(conn) })
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// As [`Self::conn`].
    pub async fn ping(&self) -> Result<(), Error> {
        let mut conn = self.conn().await?;
        Ok(conn.ping().await?)
    }

    /// Writes the pool's fill into the metrics.
    pub fn record_metrics(&self) {
        self.meters.fill(&self.connections.status());
    }
}

/// A connection out of the pool. It goes back when dropped, unless its call was abandoned: then it is closed.
pub struct Conn {
    object: Option<Object<Manager>>,
    in_request: bool,
}

impl Conn {
    fn opened(&self) -> &Opened {
        self.object.as_ref().expect("the connection is there until drop")
    }

    /// Closes the connection instead of giving it back: it did not answer in time, or it is in an unknown state. Others
    /// that were opened before are tested before they are used again.
    pub fn abandon(mut self) {
        self.discard();
        suspect_connections();
    }

    fn discard(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

impl Deref for Conn {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.opened().connection
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.object.as_mut().expect("the connection is there until drop").connection
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let abandoned = self.in_request && !request::is_polling();
        if abandoned || std::thread::panicking() {
            self.discard();
            suspect_connections();
        }
    }
}

/// A transaction. It is rolled back when dropped without [`Tx::commit`].
pub struct Tx {
    conn: Option<Conn>,
}

impl Tx {
    /// Commits.
    ///
    /// # Errors
    /// [`Error::Unavailable`] leaves open whether the commit took place.
    pub async fn commit(mut self) -> Result<(), Error> {
        let mut conn = self.conn.take().expect("the connection is there until commit");
        match conn.execute("COMMIT").await {
            Ok(_) => Ok(()),
            Err(error) => {
                conn.discard();
                Err(error.into())
            }
        }
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.conn.as_ref().expect("the connection is there until commit")
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.conn.as_mut().expect("the connection is there until commit")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        let abandoned = conn.in_request && !request::is_polling();
        if abandoned || std::thread::panicking() {
            conn.discard();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Locks are held until the rollback arrives: send it now, not when the connection is used next.
            conn.in_request = false;
            runtime.spawn(async move {
                if conn.execute("ROLLBACK").await.is_err() {
                    conn.discard();
                }
            });
        } else {
            conn.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_elsewhere_are_to_be_reached_over_tls() {
        let host = |url: &str| PoolConfig { url: url.to_owned(), ..config() }.plaintext_host();
        for here in [
            "postgres://nova@127.0.0.1/nova",
            "postgres://nova@localhost/nova",
            "postgres://nova@[::1]/nova",
            "postgres://nova@%2Frun%2Fpostgresql/nova",
            "postgres://nova@db.example/nova?sslmode=require",
            "postgres://nova@db.example/nova?sslmode=verify-full",
        ] {
            assert_eq!(host(here), None, "{here}");
        }
        for elsewhere in ["postgres://nova@db.example/nova", "postgres://nova@db.example/nova?sslmode=prefer"] {
            assert_eq!(host(elsewhere).as_deref(), Some("db.example"), "{elsewhere}");
        }
    }

    fn config() -> PoolConfig {
        let second = Duration::from_secs(1);
        PoolConfig {
            url: String::new(),
            application_name: "test".to_owned(),
            max_connections: 1,
            acquire_timeout: second,
            connect_timeout: second,
            statement_timeout: second,
            lock_timeout: second,
            pgbouncer: false,
            plans_by_index: false,
        }
    }
}
