//! One postmaster: adopts the one that a killed predecessor left, clears up after a dead one, starts, watches, stops.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::process::Child;

use crate::find::Programs;
use crate::home::Home;
use crate::process::{self, Identity, until};
use crate::watchdog::{self, Ending, Leash};
use crate::{Error, Options};

/// Only part of the socket's name where TCP is off.
const SOCKET_PORT: u16 = 5432;

/// How long what is left of a killed server may take to go away.
const LEFTOVERS: Duration = Duration::from_secs(15);

/// How long a fast shutdown may take (it writes a checkpoint), and then an immediate one.
const FAST: Duration = Duration::from_secs(30);
const IMMEDIATE: Duration = Duration::from_secs(5);

/// What all postmasters of one folder have in common.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) home: Home,
    pub(crate) programs: Programs,
    pub(crate) options: Options,
    identity: Identity,
}

/// A running postmaster. Dropping it has the watchdog stop it.
#[derive(Debug)]
pub(crate) struct Postmaster {
    pub(crate) pid: i32,
    pub(crate) port: u16,
    /// None for an adopted one, which is not our child.
    child: Option<Child>,
    leash: Leash,
    log_begins: u64,
}

/// What `postmaster.pid` says. The file grows line by line while PostgreSQL starts.
struct PidFile {
    pid: i32,
    port: Option<u16>,
    ready: bool,
}

impl PidFile {
    fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let port = lines.get(3).and_then(|port| port.parse().ok());
        Some(Self { pid: lines.first()?.parse().ok()?, port, ready: lines.get(7) == Some(&"ready") })
    }
}

impl Postmaster {
    pub(crate) fn is_adopted(&self) -> bool {
        self.child.is_none()
    }

    /// Waits until it has ended, and tells why as far as its log knows.
    pub(crate) async fn exited(&mut self, server: &Server) -> Error {
        let status = match &mut self.child {
            Some(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            None => {
                let mut look = tokio::time::interval(Duration::from_millis(50));
                while server.identity.is_postmaster(self.pid) {
                    look.tick().await;
                }
                "status unknown".to_owned()
            }
        };
        server.exited(status, self.log_begins)
    }

    /// Stops it: fast, which rolls open transactions back, and if that takes too long at once.
    pub(crate) async fn stop(mut self, server: &Server) -> Result<(), Error> {
        for (signal, patience) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
            if !self.is_gone(server) {
                process::signal(self.pid, signal);
            }
            if until(patience, || self.is_gone(server)).await {
                self.leash.release();
                return Ok(());
            }
            tracing::warn!(postgres.pid = self.pid, "postgres did not stop within {} s", patience.as_secs());
        }
        Err(server.still_running(self.pid, FAST + IMMEDIATE))
    }

    fn is_gone(&mut self, server: &Server) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => !server.identity.is_postmaster(self.pid),
        }
    }
}

impl Server {
    pub(crate) fn new(home: Home, programs: Programs, options: Options) -> Self {
        let identity = Identity::new(&home.data());
        Self { home, programs, options, identity }
    }

    /// Adopts or starts a postmaster; `port` is the one to keep from before.
    pub(crate) async fn start(&self, port: Option<u16>) -> Result<Postmaster, Error> {
        match self.adopt(port).await? {
            Some(postmaster) => Ok(postmaster),
            None => self.launch(port).await,
        }
    }

    /// Takes over a postmaster with the same settings; ends one with others, and clears up after one that is dead.
    async fn adopt(&self, port: Option<u16>) -> Result<Option<Postmaster>, Error> {
        let data = self.home.data();
        if !data.join("postmaster.pid").exists() {
            return Ok(None);
        }
        if let Some(PidFile { pid, .. }) = PidFile::read(&data).filter(|file| self.identity.is_postmaster(file.pid)) {
            if !self.is_ours(&data) {
                return Err(Error::ForeignServer { data, pid });
            }
            let settled = || PidFile::read(&data).is_none_or(|file| file.ready) || !self.identity.is_postmaster(pid);
            until(self.options.start_timeout, settled).await;
            let ready = PidFile::read(&data).filter(|file| file.ready && file.pid == pid);
            if let Some(found) = ready.and_then(|file| file.port)
                && self.port_wanted(port).is_none_or(|wanted| wanted == found)
                && self.has_settings(&data, found)
            {
                let (_, log_begins) = self.home.open_log()?;
                let leash = watchdog::guard(&self.home, pid).await?;
                tracing::info!(postgres.pid = pid, "adopted the PostgreSQL of an earlier run");
                return Ok(Some(Postmaster { pid, port: found, child: None, leash, log_begins }));
            }
            self.end(pid).await?;
        }
        self.clear_leftovers().await?;
        Ok(None)
    }

    async fn launch(&self, port: Option<u16>) -> Result<Postmaster, Error> {
        let begun = Instant::now();
        let program = self.programs.path("postgres");
        let mut ports_left = 3;
        loop {
            let port = match self.port_wanted(port) {
                Some(port) => port,
                None => free_port()?,
            };
            let arguments = self.arguments(port);
            let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
            let (log, log_begins) = self.home.open_log()?;
            let (mut child, leash) = watchdog::run(&self.home, &program, &arguments, Ending::Interrupt, log).await?;
            let Some(status) = self.ready_or_ended(&mut child, log_begins).await? else {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
                return Ok(Postmaster { pid, port, child: Some(child), leash, log_begins });
            };
            leash.release();
            let tail = self.home.log_tail(log_begins);
            let leftover = tail.contains("is still in use") || tail.contains("already exists");
            let port_taken = tail.contains("could not bind") && self.options.tcp == Some(0) && ports_left > 0;
            if leftover && begun.elapsed() < LEFTOVERS {
                self.clear_leftovers().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            } else if port_taken {
                ports_left -= 1;
            } else {
                return Err(self.exited(status, log_begins));
            }
        }
    }

    /// Waits until a postmaster serves (nothing) or has ended (its status).
    async fn ready_or_ended(&self, child: &mut Child, log_begins: u64) -> Result<Option<String>, Error> {
        let data = self.home.data();
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let mut ended = None;
        let settled = until(self.options.start_timeout, || {
            ended = match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(status.to_string()),
                Err(error) => Some(error.to_string()),
            };
            ended.is_some() || PidFile::read(&data).is_some_and(|file| file.ready && Some(file.pid) == pid)
        });
        if settled.await {
            return Ok(ended);
        }
        let seconds = self.options.start_timeout.as_secs();
        Err(Error::NotReady { seconds, log: self.home.log(), tail: self.home.log_tail(log_begins) })
    }

    /// Stops a postmaster that cannot be adopted.
    async fn end(&self, pid: i32) -> Result<(), Error> {
        for (signal, patience) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
            process::signal(pid, signal);
            if until(patience, || !self.identity.is_postmaster(pid)).await {
                return Ok(());
            }
        }
        Err(self.still_running(pid, FAST + IMMEDIATE))
    }

    /// After a postmaster was killed: ends backends that outlived it, then removes the files that name its pid, which
    /// PostgreSQL itself will not do where that pid is a zombie or somebody else's by now.
    async fn clear_leftovers(&self) -> Result<(), Error> {
        for (signal, patience) in [(Signal::QUIT, IMMEDIATE), (Signal::KILL, IMMEDIATE)] {
            self.identity.orphans().into_iter().for_each(|pid| process::signal(pid, signal));
            if until(patience, || self.identity.orphans().is_empty()).await {
                break;
            }
        }
        if let Some(pid) = self.identity.orphans().first() {
            return Err(self.still_running(*pid, IMMEDIATE * 2));
        }
        let pid_file = self.home.data().join("postmaster.pid");
        match fs::remove_file(&pid_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::folder("remove", &pid_file)(error));
            }
            Ok(()) => tracing::info!("cleared up after a PostgreSQL that was killed"),
            Err(_) => {}
        }
        for entry in fs::read_dir(self.home.run()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
                // PostgreSQL reports it if one stays and is in the way.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// The port that there is no choice about.
    fn port_wanted(&self, before: Option<u16>) -> Option<u16> {
        match self.options.tcp {
            None => Some(SOCKET_PORT),
            Some(0) => before,
            fixed => fixed,
        }
    }

    /// The command line after `postgres`. Later settings win.
    fn arguments(&self, port: u16) -> Vec<OsString> {
        let mut settings: Vec<(&str, OsString)> = vec![
            ("cluster_name", self.identity.cluster_name.clone().into()),
            ("unix_socket_directories", self.home.run().into()),
            ("unix_socket_permissions", "0700".into()),
            ("listen_addresses", if self.options.tcp.is_some() { "127.0.0.1" } else { "" }.into()),
            ("port", port.to_string().into()),
            ("password_encryption", "scram-sha-256".into()),
            ("max_connections", "200".into()),
            ("shared_buffers", "128MB".into()),
            // Compiling a plan takes longer than any statement of Nova runs.
            ("jit", "off".into()),
            ("timezone", "UTC".into()),
            // One file, in English, and without the values of rows: e-mail addresses do not belong into a log.
            ("logging_collector", "off".into()),
            ("log_destination", "stderr".into()),
            ("log_timezone", "UTC".into()),
            ("lc_messages", "C".into()),
            ("log_checkpoints", "off".into()),
            ("log_error_verbosity", "terse".into()),
            ("log_min_error_statement", "panic".into()),
        ];
        if !self.options.durable {
            settings.extend(["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name, "off".into())));
        }
        settings.extend(self.options.settings.iter().map(|(name, value)| (name.as_str(), value.into())));
        let mut arguments = vec!["-D".into(), self.home.data().into_os_string()];
        for (name, value) in settings {
            let mut setting = OsString::from(name);
            setting.push("=");
            setting.push(value);
            arguments.extend(["-c".into(), setting]);
        }
        arguments
    }

    /// Was the running postmaster started with exactly our settings? PostgreSQL writes down how it was.
    fn has_settings(&self, data: &Path, port: u16) -> bool {
        let quoted = |argument: &OsString| format!(" \"{}\"", argument.to_string_lossy());
        let wanted: String = self.arguments(port).iter().map(quoted).collect();
        fs::read_to_string(data.join("postmaster.opts")).is_ok_and(|line| line.trim_end().ends_with(&wanted))
    }

    /// Was it started by Nova at all?
    fn is_ours(&self, data: &Path) -> bool {
        let name = format!("\"cluster_name={}\"", self.identity.cluster_name);
        fs::read_to_string(data.join("postmaster.opts")).is_ok_and(|line| line.contains(&name))
    }

    fn exited(&self, status: String, log_begins: u64) -> Error {
        Error::Exited { status, log: self.home.log(), tail: self.home.log_tail(log_begins) }
    }

    fn still_running(&self, pid: i32, waited: Duration) -> Error {
        Error::StillRunning { pid, data: self.home.data(), seconds: waited.as_secs() }
    }
}

/// A port that is free now. Somebody may take it before PostgreSQL does; [`Server::launch`] then tries another.
fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(Error::folder("find a free port on", Path::new("127.0.0.1")))
}
