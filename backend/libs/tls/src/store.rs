//! All certificates of a process: looked at again and again, so that new files come into use and old ones are warned of.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clock::Clock;
use metrics::{describe_gauge, gauge};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::{Certificate, Client, ClientFiles, Fault, Server, ServerFiles};

/// How often files are read again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A certificate that ends this soon is warned of.
const ENDS_SOON: TimeDelta = TimeDelta::days(14);
/// How often it is warned of.
const WARN_EVERY: TimeDelta = TimeDelta::days(1);

/// See the module.
pub struct Store {
    clock: Clock,
    opened: Mutex<Vec<Opened>>,
}

/// Files that are in use as long as what was made of them is.
struct Opened {
    path: PathBuf,
    of: Of,
    warned_at: Option<DateTime<Utc>>,
}

enum Of {
    Server(Weak<crate::watched::Watched<crate::server::Loaded>>),
    Client(Weak<crate::watched::Watched<crate::client::Loaded>>),
}

impl Of {
    /// Reads the files again: whether they are new or at fault, and the certificate in use. None if nobody uses them.
    fn look(&self) -> Option<(Result<bool, Fault>, Option<Certificate>)> {
        Some(match self {
            Self::Server(server) => {
                let server = server.upgrade()?;
                (server.look(), Some(server.current().certificate.clone()))
            }
            Self::Client(client) => {
                let client = client.upgrade()?;
                (client.look(), client.current().identity.clone())
            }
        })
    }
}

impl Store {
    /// A store without certificates; `clock` tells when one ends.
    pub fn new(clock: Clock) -> Self {
        describe_gauge!("nova_tls_certificate_expires_seconds", "Time until a certificate in use expires, by its file");
        Self { clock, opened: Mutex::default() }
    }

    /// Opens the files of a port.
    ///
    /// # Errors
    /// [`Fault`] if a file is missing or does not hold what it should.
    pub fn server(&self, files: &ServerFiles) -> Result<Server, Fault> {
        let server = Server::open(files)?;
        self.add(&files.certificate, Of::Server(Arc::downgrade(&server.0)));
        Ok(server)
    }

    /// Opens the files of who calls.
    ///
    /// # Errors
    /// [`Fault`] if a file is missing or does not hold what it should.
    pub fn client(&self, files: &ClientFiles) -> Result<Client, Fault> {
        let client = Client::open(files)?;
        let path = files.identity.as_ref().map_or(&files.ca, |(certificate, _)| certificate);
        self.add(path, Of::Client(Arc::downgrade(&client.0)));
        Ok(client)
    }

    fn add(&self, path: &Path, of: Of) {
        let opened = Opened { path: path.to_path_buf(), of, warned_at: None };
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(opened);
    }

    /// Reads every file again, and the time that is left of every certificate. New connections get what is new; files that
    /// are at fault change nothing.
    pub fn look(&self) {
        let now = self.clock.now();
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|opened| opened.look(now));
    }

    /// Looks every two seconds, and at once on SIGHUP, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangups = signal(SignalKind::hangup()).ok();
        loop {
            let asked = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = ticks.tick() => {}
                _ = asked => tracing::info!("SIGHUP: certificates are read again"),
            }
            let store = Arc::clone(&self);
            // Files may lie on something slow.
            let _ = tokio::task::spawn_blocking(move || store.look()).await;
        }
    }
}

impl Opened {
    /// Whether anybody still uses it.
    fn look(&mut self, now: DateTime<Utc>) -> bool {
        let Some((new, certificate)) = self.of.look() else { return false };
        let path = self.path.display();
        match new {
            Ok(true) => {
                self.warned_at = None;
                tracing::info!("the new certificate in {path} is used for new connections");
            }
            Ok(false) => {}
            Err(fault) => {
                let cause = std::error::Error::source(&fault).map(|e| format!(": {e}")).unwrap_or_default();
                tracing::warn!("the certificate in {path} stays as it was: {fault}{cause}");
            }
        }
        let Some(certificate) = certificate else { return true };
        let left = certificate.expires_at - now;
        #[expect(clippy::cast_precision_loss, reason = "a certificate lives for less than 2^52 seconds")]
        gauge!("nova_tls_certificate_expires_seconds", "file" => path.to_string()).set(left.num_seconds() as f64);
        if left < ENDS_SOON && self.warned_at.is_none_or(|at| now - at >= WARN_EVERY) {
            self.warned_at = Some(now);
            let at = clock::rfc3339(certificate.expires_at);
            if left < TimeDelta::zero() {
                tracing::warn!(
                    "the certificate in {path} has expired at {at}: nobody believes it, put a new one there"
                );
            } else {
                tracing::warn!("the certificate in {path} expires at {at}: put a new one there before");
            }
        }
        true
    }
}
