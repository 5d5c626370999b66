//! Runs a private PostgreSQL for a program that wants to need nothing else.
//!
//! Finds the server programs, makes a data folder once, starts one postmaster on a private Unix socket (or adopts the
//! one that a killed predecessor left), makes the databases, and stops it with the program: [`Postgres::stop`] in good
//! order, a watchdog process within milliseconds if the program dies. One process at a time supervises a folder.
//!
//! ```no_run
//! # async fn run() -> Result<(), pgboot::Error> {
//! let mut options = pgboot::Options::new(pgboot::default_data_dir()?.join("postgres"));
//! options.databases = vec!["nova_user".to_owned()];
//! let postgres = pgboot::Postgres::start(&options).await?;
//! println!("{}", postgres.url("nova_user"));
//! postgres.stop().await
//! # }
//! ```

mod cluster;
mod databases;
mod error;
mod find;
mod folders;
mod home;
mod postmaster;
mod process;
mod running;
mod tools;
mod user;
mod watchdog;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use crate::error::Error;
pub use crate::find::Version;
pub use crate::folders::{cache_dir, default_data_dir};
pub use running::Running;
pub use tools::Tools;

use crate::find::Programs;
use crate::home::Home;
use crate::postmaster::{Postmaster, Server};

/// The role that owns all databases. It can only be reached from this machine.
const SUPERUSER: &str = "nova";

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// A folder for this alone: its mode and, as root, its owner are changed. Made if it is not there.
    pub home: PathBuf,
    /// Databases to make where they are missing.
    pub databases: Vec<String>,
    /// Whether commits survive a power cut. Off is for tests: everything is faster, and a crash may lose all.
    pub durable: bool,
    /// Listen on this port of 127.0.0.1 as well (0: any free one), with a password (scram-sha-256).
    pub tcp: Option<u16>,
    /// Where the programs are; otherwise `NOVA_PG_BINDIR`, the machine and the cache folder are looked through.
    pub bindir: Option<PathBuf>,
    /// PostgreSQL settings that win over those chosen here, as in postgresql.conf.
    pub settings: Vec<(String, String)>,
    /// How long a start may take. Long, because a crash recovery has to read all that was written lately.
    pub start_timeout: Duration,
}

impl Options {
    /// Durable, on a Unix socket, without databases.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            databases: Vec::new(),
            durable: true,
            tcp: None,
            bindir: None,
            settings: Vec::new(),
            start_timeout: Duration::from_secs(300),
        }
    }
}

/// A running PostgreSQL. Dropping it has the watchdog stop it soon after; [`Postgres::stop`] waits until it has stopped.
#[derive(Debug)]
pub struct Postgres {
    // Before `server`, whose lock must outlive the leash.
    postmaster: Postmaster,
    server: Server,
    password: Option<String>,
    version: Version,
}

impl Postgres {
    /// Starts PostgreSQL, or adopts the one that a killed predecessor left running on the same folder.
    ///
    /// # Errors
    ///
    /// Each [`Error`] is one sentence for the operator.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let begun = Instant::now();
        let home = Home::open(&options.home).await?;
        watchdog::wait_for_predecessor(&home).await?;
        let data = home.data();
        let programs = Programs::find(options.bindir.as_deref(), &data, home.made_by, &home.user).await?;
        tracing::info!("using PostgreSQL {} in {}", programs.version, programs.bindir.display());
        if home.made_by.is_none() {
            cluster::init(&home, &programs, options.durable).await?;
        }
        let password = options.tcp.is_some().then(|| home.password()).transpose()?;
        let server = Server::new(home, programs, options.clone());
        let postmaster = server.start(None).await?;
        let connection = databases::connect(server.home.run(), postmaster.port).await?;
        let version = databases::prepare(connection, &options.databases, password.as_deref()).await?;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(postgres.pid = postmaster.pid, duration_ms, "PostgreSQL {version} serves {}", data.display());
        Ok(Self { postmaster, server, password, version })
    }

    /// A URL for `database`, over TCP where that was asked for, else over the Unix socket.
    pub fn url(&self, database: &str) -> String {
        let (port, database) = (self.postmaster.port, encoded(database));
        match &self.password {
            Some(password) => {
                format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
            }
            None => {
                let socket = encoded(&self.server.home.run().to_string_lossy());
                format!("postgres://{SUPERUSER}@{socket}:{port}/{database}?sslmode=disable")
            }
        }
    }

    /// The version of the server that runs.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where its programs are, `pg_dump` and `psql` among them where the package has them.
    pub fn bindir(&self) -> &Path {
        &self.server.programs.bindir
    }

    /// The postmaster's process.
    pub fn pid(&self) -> i32 {
        self.postmaster.pid
    }

    /// Whether it was running before [`Postgres::start`].
    pub fn adopted(&self) -> bool {
        self.postmaster.is_adopted()
    }

    /// Waits until PostgreSQL has ended without being asked to, and tells why. May be dropped and called again.
    pub async fn exited(&mut self) -> Error {
        self.postmaster.exited(&self.server).await
    }

    /// Starts it again after [`Postgres::exited`], under the same URLs.
    ///
    /// # Errors
    ///
    /// As [`Postgres::start`]; PostgreSQL is then gone for good.
    pub async fn restart(self) -> Result<Self, Error> {
        let Self { postmaster, server, password, .. } = self;
        let port = postmaster.port;
        postmaster.stop(&server).await?;
        let postmaster = server.start(Some(port)).await?;
        let connection = databases::connect(server.home.run(), port).await?;
        let version = databases::prepare(connection, &server.options.databases, password.as_deref()).await?;
        Ok(Self { postmaster, server, password, version })
    }

    /// Stops it and waits until it has stopped; open transactions are rolled back.
    ///
    /// # Errors
    ///
    /// [`Error::StillRunning`] if it does not even stop when told to do so at once.
    pub async fn stop(self) -> Result<(), Error> {
        self.postmaster.stop(&self.server).await?;
        self.server.home.leave();
        Ok(())
    }
}

/// Percent-encodes all but unreserved characters, so that a path can stand where a host is expected.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
        encoded
    })
}
