//! The PostgreSQL that Nova manages: our own, or the one that another of Nova's programs runs on the same data folder.

use std::sync::Arc;
use std::time::Duration;

use chassis::Lifecycle;
use chassis::config::EVENTS_DATABASE;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

use crate::DataFolder;

/// The services' databases, and that of the event log.
pub const DATABASES: [&str; 5] = ["nova_auth", "nova_user", "nova_messaging", "nova_keys", EVENTS_DATABASE];

/// How often a server of another program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A PostgreSQL on the data folder.
pub struct Postgres {
    options: pgboot::Options,
    urls: [String; DATABASES.len()],
    /// The server, if this program started it; empty while another program runs it.
    own: Arc<Mutex<Option<pgboot::Postgres>>>,
    shared: bool,
}

impl Postgres {
    /// Starts PostgreSQL on the data folder, or uses the one that another of Nova's programs runs there.
    ///
    /// # Errors
    /// With a sentence that says what to do.
    pub async fn open(data: &DataFolder) -> anyhow::Result<Self> {
        let options = pgboot::Options {
            databases: DATABASES.map(str::to_owned).to_vec(),
            ..pgboot::Options::new(data.postgres())
        };
        match pgboot::Postgres::start(&options).await {
            Ok(server) => {
                let urls = DATABASES.map(|name| server.url(name));
                Ok(Self { options, urls, own: Arc::new(Mutex::new(Some(server))), shared: false })
            }
            Err(in_use @ pgboot::Error::InUse { .. }) => {
                let running = pgboot::Running::find(&options.home, DATABASES[2]).await.ok_or(in_use)?;
                tracing::info!("using the PostgreSQL that another nova program runs in {}", options.home.display());
                let urls = DATABASES.map(|name| running.url(name));
                Ok(Self { options, urls, own: Arc::default(), shared: true })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether another program runs it.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The address of one of [`DATABASES`].
    pub fn url(&self, database: &str) -> String {
        let at = DATABASES.iter().position(|name| *name == database).expect("one of DATABASES");
        self.urls[at].clone()
    }

    /// Keeps it running: starts it again when it ends unasked, and takes over when the program that ran it has ended. Calls
    /// meanwhile get UNAVAILABLE.
    pub fn watch(&self, life: &Lifecycle) {
        let (own, options, url) = (Arc::clone(&self.own), self.options.clone(), self.urls[2].clone());
        let life = life.clone();
        life.clone().spawn_droppable("postgres", async move {
            loop {
                let mut slot = own.lock().await;
                let Some(running) = slot.as_mut() else {
                    drop(slot);
                    take_over(&own, &options, &url).await;
                    continue;
                };
                let cause = running.exited().await;
                tracing::error!("PostgreSQL ended, starting it again: {cause}");
                let ended = slot.take().expect("it was there a moment ago");
                match ended.restart().await {
                    Ok(started) => *slot = Some(started),
                    Err(error) => {
                        life.fail(anyhow::Error::new(error).context("PostgreSQL could not be started again"));
                        return;
                    }
                }
            }
        });
    }

    /// Stops it if this program runs it. To be called when nothing uses it any more.
    pub async fn stop(self) {
        let Some(server) = self.own.lock().await.take() else { return };
        if let Err(error) = server.stop().await {
            tracing::error!("PostgreSQL could not be stopped: {error}");
        }
    }
}

/// Looks at another program's server until it is gone, then starts it anew under the same address.
async fn take_over(own: &Mutex<Option<pgboot::Postgres>>, options: &pgboot::Options, url: &str) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Ok(connection) = PgConnection::connect(url).await {
            let _ = connection.close().await;
            continue;
        }
        match pgboot::Postgres::start(options).await {
            Ok(server) => {
                tracing::info!("the program that ran PostgreSQL has ended, this one runs it now");
                *own.lock().await = Some(server);
                return;
            }
            // Another program was faster, or the old one is still ending.
            Err(pgboot::Error::InUse { .. }) => {}
            Err(error) => tracing::warn!("PostgreSQL could not be taken over, trying again: {error}"),
        }
    }
}
