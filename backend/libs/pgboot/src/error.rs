//! What can go wrong, each as one sentence that tells the operator what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::find::{MINIMUM, Version};

/// Why PostgreSQL could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable server programs are on this machine.
    #[error(
        "found no PostgreSQL server programs (initdb and postgres, version {MINIMUM} or later) in {looked}{unusable}; \
         install them (apt-get install postgresql, or brew install postgresql), name their folder in NOVA_PG_BINDIR, \
         or set DATABASE_URL to a server that is already running"
    )]
    NotFound {
        /// The places that were looked at.
        looked: String,
        /// Programs that were found but cannot be used, with the reason; empty when there were none.
        unusable: String,
    },
    /// The folder that was named for the programs does not hold usable ones.
    #[error("cannot use the PostgreSQL programs in {}: {reason}; set NOVA_PG_BINDIR to another folder or unset it", .bindir.display())]
    Programs {
        /// The folder that was named.
        bindir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data folder was made by another major version than the programs found.
    #[error(
        "the data folder {} was made by PostgreSQL {folder}, but found {found}; \
         install PostgreSQL {folder}, or move the data over with pg_upgrade or pg_dump (the folder was left untouched)", .data.display()
    )]
    OtherVersion {
        /// The data folder.
        data: PathBuf,
        /// The major version that made it.
        folder: u32,
        /// The programs found, in words.
        found: String,
    },
    /// The data folder exists and is no PostgreSQL data folder.
    #[error("{} is not empty and holds no PostgreSQL data; move it away or choose another folder (it was left untouched)", .0.display())]
    Foreign(PathBuf),
    /// Another process supervises this folder.
    #[error("{} is in use by another nova{}; stop that one first, or set NOVA_DATA_DIR to a folder of its own", .home.display(), holder(.pid))]
    InUse {
        /// The folder.
        home: PathBuf,
        /// The process that holds it, where it is known.
        pid: Option<i32>,
    },
    /// A PostgreSQL that Nova did not start runs on the data folder.
    #[error("PostgreSQL process {pid} runs on {} and was not started by nova; stop it first", .data.display())]
    ForeignServer {
        /// The data folder.
        data: PathBuf,
        /// The process.
        pid: i32,
    },
    /// Running as root, and there is no other user to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody; run nova as a normal user"
    )]
    NoUser,
    /// The user that PostgreSQL runs as cannot reach the folder.
    #[error(
        "PostgreSQL runs as user {user} here, who cannot enter {}, so {} cannot hold its data; \
         set NOVA_DATA_DIR to a folder outside of it, for example /var/lib/nova", .blocked.display(), .home.display()
    )]
    CannotEnter {
        /// The user that PostgreSQL would run as.
        user: String,
        /// The first folder on the way that the user cannot enter.
        blocked: PathBuf,
        /// The folder that was asked for.
        home: PathBuf,
    },
    /// The data folder belongs to another user.
    #[error("{} belongs to user {owner}, but nova runs as user {user}; run nova as its owner, or set NOVA_DATA_DIR to another folder", .path.display())]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: String,
        /// The user that Nova runs as.
        user: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}; {}", .path.display(), advice(.source))]
    Folder {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {}: {source}", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb could not make the data folder {}: {output}", .data.display())]
    Initdb {
        /// The data folder.
        data: PathBuf,
        /// The last lines that it printed.
        output: String,
    },
    /// PostgreSQL exited while starting or running.
    #[error("postgres ended ({status}), its log {} ends with: {tail}", .log.display())]
    Exited {
        /// Exit status or signal.
        status: String,
        /// The log file.
        log: PathBuf,
        /// The last lines that it wrote since it was started.
        tail: String,
    },
    /// PostgreSQL did not become ready in time.
    #[error("postgres was not ready after {seconds} s, its log {} ends with: {tail}", .log.display())]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The log file.
        log: PathBuf,
        /// The last lines that it wrote since it was started.
        tail: String,
    },
    /// A process that should have ended is still there.
    #[error("PostgreSQL process {pid} on {} did not stop within {seconds} s; end it by hand (kill -QUIT {pid})", .data.display())]
    StillRunning {
        /// The process.
        pid: i32,
        /// The data folder.
        data: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// PostgreSQL runs, but the databases could not be made.
    #[error("PostgreSQL runs, but {what} failed: {source}")]
    Sql {
        /// What was tried.
        what: String,
        /// What the server said.
        source: sqlx::Error,
    },
    /// No programs to make or read a dump with.
    #[error(
        "pg_dump and pg_restore of PostgreSQL {at_least} or later are needed, found {found}: install them (Debian: \
             apt-get install postgresql-client-{at_least}) or name their folder in NOVA_PG_BINDIR"
    )]
    NoTools {
        /// The major version that is needed.
        at_least: u32,
        /// What there is.
        found: String,
    },
    /// No folder can be derived from the environment.
    #[error("none of {variables} is set; set the first of them to the folder that nova should use")]
    NoFolder {
        /// The variables that were looked at.
        variables: &'static str,
    },
}

impl Error {
    /// For `map_err` on file system calls.
    pub(crate) fn folder(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder { action, path, source }
    }

    /// For `map_err` on statements.
    pub(crate) fn sql(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { what: what.into(), source }
    }

    /// Describes the programs of a `Version` for [`Error::OtherVersion`].
    pub(crate) fn found_programs(found: &[(Version, PathBuf)]) -> String {
        if found.is_empty() {
            return "no server programs at all".to_owned();
        }
        let list: Vec<_> = found.iter().map(|(version, bindir)| format!("{version} in {}", bindir.display())).collect();
        format!("only {}", list.join(", "))
    }
}

fn holder(pid: &Option<i32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "give it to the user that nova runs as, or set NOVA_DATA_DIR to a folder of your own"
        }
        io::ErrorKind::ReadOnlyFilesystem => "set NOVA_DATA_DIR to a folder that can be written",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk",
        _ => "repair it, or set NOVA_DATA_DIR to another folder",
    }
}
