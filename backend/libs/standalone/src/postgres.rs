//! The PostgreSQL that Nova manages: our own, or the one that another of Nova's programs runs on the same data folder.

use std::sync::Arc;

use chassis::Lifecycle;
use tokio::sync::Mutex;

use crate::DataFolder;

/// The services' databases.
pub const DATABASES: [&str; 3] = ["nova_auth", "nova_user", "nova_messaging"];

/// A PostgreSQL on the data folder.
pub enum Postgres {
    /// Started by this program, and stopped with it.
    Own {
        /// Their addresses, by the order of [`DATABASES`].
        urls: [String; 3],
        /// The server, until it is stopped.
        server: Arc<Mutex<Option<pgboot::Postgres>>>,
    },
    /// Started by another program; services started side by side share it.
    Shared(pgboot::Running),
}

impl Postgres {
    /// Starts PostgreSQL on the data folder, or uses the one that runs there already.
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
                Ok(Self::Own { urls, server: Arc::new(Mutex::new(Some(server))) })
            }
            Err(in_use @ pgboot::Error::InUse { .. }) => match pgboot::Running::find(&options.home, DATABASES[2]).await
            {
                Some(running) => {
                    tracing::info!("using the PostgreSQL that another nova program runs in {}", options.home.display());
                    Ok(Self::Shared(running))
                }
                None => Err(in_use.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The address of one of [`DATABASES`].
    pub fn url(&self, database: &str) -> String {
        match self {
            Self::Own { urls, .. } => {
                let at = DATABASES.iter().position(|name| *name == database).expect("one of DATABASES");
                urls[at].clone()
            }
            Self::Shared(running) => running.url(database),
        }
    }

    /// Starts it again whenever it ends unasked; calls meanwhile get UNAVAILABLE.
    pub fn watch(&self, life: &Lifecycle) {
        let Self::Own { server, .. } = self else { return };
        let (server, life) = (Arc::clone(server), life.clone());
        life.clone().spawn_droppable("postgres", async move {
            loop {
                let mut slot = server.lock().await;
                let Some(running) = slot.as_mut() else { return };
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

    /// Stops it if this program started it. To be called when nothing uses it any more.
    pub async fn stop(self) {
        let Self::Own { server, .. } = self else { return };
        let Some(server) = server.lock().await.take() else { return };
        if let Err(error) = server.stop().await {
            tracing::error!("PostgreSQL could not be stopped: {error}");
        }
    }
}
