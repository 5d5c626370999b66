//! The configuration of all services in one process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use chassis::config::{
    Database, EVENTS_DATABASE, Fault, Listen, ListenTls, Log, Plaintext, Secret, ServiceConfig, Validate, address,
};
use pg::PoolConfig;
use rpc::{Dial, Peer};
use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;
use standalone::{DataFolder, Options, Postgres, Settings, Use, open_databases};
use tonic::transport::Channel;

/// `[front_door]`: one port for everything.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontDoor {
    /// Address; 127.0.0.1 is reached from this machine only.
    pub host: std::net::IpAddr,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Address of a port for the platform, such as `0.0.0.0:8100`: health of all services, `/livez`, `/readyz` and `/metrics`, in
    /// plaintext and without the API. Empty: none.
    #[serde(with = "address")]
    pub ops: Option<SocketAddr>,
    /// Origins whose pages may call from a browser, such as `https://app.example.org`; `*` for any, none by default.
    pub cors_origins: Vec<String>,
    /// Where connections without TLS are allowed: `loopback`, or `behind-a-proxy` if a proxy or mesh does TLS before `host`.
    pub plaintext: Plaintext,
    /// TLS.
    pub tls: ListenTls,
}

impl Default for FrontDoor {
    fn default() -> Self {
        let Listen { host, plaintext, tls, .. } = Listen::default();
        Self { host, port: 8000, ops: None, cors_origins: vec![], plaintext, tls }
    }
}

impl FrontDoor {
    /// Address and port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// As what accepts connections wants it; what has no key here is as in `service`.
    pub fn listen(&self, service: &Listen) -> Listen {
        Listen {
            host: self.host,
            ops: self.ops,
            cors_origins: self.cors_origins.clone(),
            plaintext: self.plaintext,
            tls: self.tls.clone(),
            ..service.clone()
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.files().is_some() { "https" } else { "http" }
    }

    /// The door at `address` as this machine's own tools call it: over TLS they believe the certificate in the door's file.
    ///
    /// # Errors
    /// If that file can't be used.
    pub fn channel(&self, address: SocketAddr) -> anyhow::Result<Channel> {
        let dial = match self.tls.files() {
            None => Dial::Plain,
            Some(files) => Dial::Tls { client: tls::Client::of_server_with(&files.certificate)?, name: None },
        };
        let url = format!("{}://{}", self.scheme(), reachable(address));
        Ok(Peer { url, dial, timeout: Duration::from_secs(2) }.channel()?)
    }
}

/// 0.0.0.0 is where to listen, not where to connect.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
        _ => address,
    }
}

impl Validate for FrontDoor {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        self.listen(&Listen::default()).validate(section, faults);
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

/// What the schema of a database comes from.
fn migrator(database: &str) -> &'static Migrator {
    match database {
        EVENTS_DATABASE => &events::LOG_MIGRATOR,
        user_service::DATABASE => &user_service::MIGRATOR,
        messaging_service::DATABASE => &messaging_service::MIGRATOR,
        messaging_service::KEYS_DATABASE => &messaging_service::KEYS_MIGRATOR,
        _ => &auth_service::MIGRATOR,
    }
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

    /// The services' databases, by their names.
    pub fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)> {
        let mut databases = self.auth.databases_mut();
        databases.extend(self.user.databases_mut());
        databases.extend(self.messaging.databases_mut());
        databases
    }

    /// How to connect to each database for a tool called `tool`, and what its schema comes from.
    pub fn schemas(&mut self, tool: &str) -> Vec<(&'static str, PoolConfig, &'static Migrator)> {
        let mut schemas: Vec<(&'static str, PoolConfig, &'static Migrator)> = vec![];
        for (name, database) in self.databases_mut() {
            let pool = database.pool_config(tool);
            // The services share the log of events.
            if !schemas.iter().any(|(_, known, _)| known.url == pool.url) {
                schemas.push((name, pool, migrator(name)));
            }
        }
        schemas
    }

    /// Makes sure that each service has its databases: those that are configured, or those on the server that `DATABASE_URL` names,
    /// or those of a PostgreSQL of Nova's own, which is returned and must be stopped at the end.
    ///
    /// # Errors
    /// With a sentence that says what to do.
    pub async fn open_databases(&mut self) -> anyhow::Result<Option<Postgres>> {
        let (server, data) = (self.server.clone(), self.data.clone());
        open_databases(self.databases_mut(), server.as_ref(), &data).await
    }
}
