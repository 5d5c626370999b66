//! Finds the server that another of Nova's programs runs on the same folder, so that programs started side by side share it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use crate::{SUPERUSER, encoded};

/// How long the other program may take until its server answers.
const WAIT: Duration = Duration::from_secs(30);

/// A PostgreSQL that another program started and will stop.
#[derive(Clone, Debug)]
pub struct Running {
    socket: PathBuf,
    port: u16,
}

impl Running {
    /// Waits until the server of another program on `home` has `database`: it may just be starting. `None` if there is none.
    pub async fn find(home: &Path, database: &str) -> Option<Self> {
        let until = Instant::now() + WAIT;
        loop {
            if let Some(running) = Self::read(home)
                && let Ok(connection) = PgConnection::connect(&running.url(database)).await
            {
                let _ = connection.close().await;
                return Some(running);
            }
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A URL for `database` over the Unix socket.
    pub fn url(&self, database: &str) -> String {
        let (socket, port) = (encoded(&self.socket.to_string_lossy()), self.port);
        format!("postgres://{SUPERUSER}@{socket}:{port}/{}?sslmode=disable", encoded(database))
    }

    /// postmaster.pid: process, folder, start time, port, socket folder, one a line.
    fn read(home: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(home.join("data").join("postmaster.pid")).ok()?;
        let mut lines = text.lines().skip(3);
        let port = lines.next()?.trim().parse().ok()?;
        let socket = PathBuf::from(lines.next()?.trim());
        socket.is_absolute().then_some(Self { socket, port })
    }
}
