//! The configuration of all services in one process.

use std::net::SocketAddr;

use chassis::config::{Fault, Listen, Log, Secret, ServiceConfig, Validate};
use serde::{Deserialize, Serialize};
use standalone::{DATABASES, DataFolder, Options, Postgres, Settings, Use, database_on_server};

/// `[front_door]`: one port for everything.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontDoor {
    /// Address; 127.0.0.1 is reached from this machine only.
    pub host: std::net::IpAddr,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Origins whose pages may call from a browser, such as `https://app.example.org`; `*` for any, none by default.
    pub cors_origins: Vec<String>,
}

impl Default for FrontDoor {
    fn default() -> Self {
        Self { host: Listen::default().host, port: 8000, cors_origins: vec![] }
    }
}

impl FrontDoor {
    /// Address and port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl Validate for FrontDoor {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        Listen { cors_origins: self.cors_origins.clone(), ..Listen::on(0, 0) }.validate(section, faults);
    }
}

/// Everything that `nova` is told.
pub struct Config {
    /// What is logged and how.
    pub log: Log,
    /// One port for everything.
    pub front_door: FrontDoor,
    /// The auth service.
    pub auth: auth_service::Config,
    /// The user service.
    pub user: user_service::Config,
    /// The messaging service.
    pub messaging: messaging_service::Config,
    /// Where data and secrets are.
    pub data: DataFolder,
    /// `DATABASE_URL`.
    server: Option<Secret>,
}

impl Config {
    /// Reads file and environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn load(options: &Options, purpose: Use) -> anyhow::Result<Self> {
        let mut settings = Settings::load(options, purpose)?;
        let config = Self::read(&mut settings);
        settings.finish()?;
        Ok(config)
    }

    /// Reads what can be read; faults are kept in `settings`.
    pub fn read(settings: &mut Settings) -> Self {
        let front_door: FrontDoor = settings.section("front_door");
        if !front_door.host.is_loopback() {
            settings.expose();
        }
        Self {
            log: settings.log.clone(),
            front_door,
            auth: settings.service(),
            user: settings.service(),
            messaging: settings.service(),
            data: settings.data.clone(),
            server: settings.server.clone(),
        }
    }

    /// The configuration as TOML, secrets hidden.
    ///
    /// # Errors
    /// If a value has no TOML form.
    pub fn print(&self) -> anyhow::Result<String> {
        let mut root = toml::Table::new();
        root.insert("log".to_owned(), toml::Value::try_from(&self.log)?);
        root.insert("front_door".to_owned(), toml::Value::try_from(&self.front_door)?);
        root.insert("auth".to_owned(), toml::Value::try_from(&self.auth)?);
        root.insert("user".to_owned(), toml::Value::try_from(&self.user)?);
        root.insert("messaging".to_owned(), toml::Value::try_from(&self.messaging)?);
        Ok(toml::to_string(&root)?)
    }

    /// Makes sure that each service has a database: those that are configured, or those of a PostgreSQL of Nova's own,
    /// which is returned and must be stopped at the end.
    ///
    /// `DATABASE_URL` names a server for all three: each service takes its own database on it.
    ///
    /// # Errors
    /// With a sentence that says what to do.
    pub async fn open_databases(&mut self) -> anyhow::Result<Option<Postgres>> {
        let [auth, user, messaging] = DATABASES;
        let sections = [
            (auth, self.auth.database_mut()),
            (user, self.user.database_mut()),
            (messaging, self.messaging.database_mut()),
        ];
        let mut managed = None;
        for (name, section) in sections.into_iter().filter(|(_, section)| section.url.is_empty()) {
            if let Some(server) = &self.server {
                section.url = database_on_server(server.expose(), name).await?;
            } else {
                let postgres = match managed.take() {
                    Some(postgres) => postgres,
                    None => Postgres::open(&self.data).await?,
                };
                section.url = postgres.url(name).into();
                managed = Some(postgres);
            }
        }
        Ok(managed)
    }
}
