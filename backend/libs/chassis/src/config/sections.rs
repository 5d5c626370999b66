//! Sections that every service has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fault, ListenTls, Plaintext, ProxyHeader, Secret, Validate, address, duration};
use crate::address::Proxies;

/// `[<service>.listen]`: where a service listens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address of both ports. 127.0.0.1 is reached from this machine only, 0.0.0.0 from everywhere.
    pub host: IpAddr,
    /// Port of REST, gRPC and gRPC-Web, `/openapi.json`, `/explorer`, `/livez`, `/readyz` and `/metrics`; 0 takes a free one.
    pub http_port: u16,
    /// Port of gRPC and gRPC-Web alone; 0 takes a free one.
    pub grpc_port: u16,
    /// Address of a third port for the platform that the service runs on, such as `0.0.0.0:8180`: `grpc.health.v1`, `/livez`,
    /// `/readyz` and `/metrics`, always in plaintext, since Kubernetes' gRPC probes know no TLS, and without the API. Empty: there
    /// is none, and the HTTP port has `/metrics`.
    #[serde(with = "address")]
    pub ops: Option<SocketAddr>,
    /// Where connections without TLS are allowed: `loopback`, or `behind-a-proxy` if a proxy or mesh does TLS before `host`.
    pub plaintext: Plaintext,
    /// Connections open at once on each port; more are closed at once.
    pub max_connections: usize,
    /// How old a connection gets, a tenth more or less; 0s: as old as it likes. Then its client makes another, and so finds
    /// replicas that are new.
    #[serde(with = "duration")]
    pub max_connection_age: Duration,
    /// How long streams on an old connection go on before they end, for their readers to come back with their cursors.
    #[serde(with = "duration")]
    pub max_connection_age_grace: Duration,
    /// A connection that takes nothing for so long while there is something for it is closed.
    #[serde(with = "duration")]
    pub write_timeout: Duration,
    /// Networks or addresses of proxies that are believed when they say where a request comes from, such as `10.0.0.0/8`; none
    /// by default. Behind a proxy that is not named here all clients count as one address (`rate_limits`).
    pub trusted_proxies: Vec<String>,
    /// The header in which they say it: `x-forwarded-for` or `forwarded` (RFC 7239). Another one is ignored.
    pub proxy_header: ProxyHeader,
    /// Calls answered at once; more are refused with RESOURCE_EXHAUSTED.
    pub max_calls_in_flight: usize,
    /// Server streams open at once; more are refused with RESOURCE_EXHAUSTED.
    pub max_streams: usize,
    /// Longest time that a call may take, and a stream until it begins; a client's own deadline may be shorter.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// Largest request in bytes.
    pub max_request_bytes: usize,
    /// Origins whose pages may call from a browser, such as `https://app.example.org`; `*` for any, none by default.
    pub cors_origins: Vec<String>,
    /// How long a stop waits for calls that are under way.
    #[serde(with = "duration")]
    pub shutdown_grace: Duration,
    /// How long a stop goes on accepting after health has turned to NOT_SERVING, so that load balancers notice first.
    #[serde(with = "duration")]
    pub drain_delay: Duration,
    /// TLS.
    pub tls: ListenTls,
}

impl Listen {
    /// The defaults with these ports.
    pub fn on(http_port: u16, grpc_port: u16) -> Self {
        Self { http_port, grpc_port, ..Self::default() }
    }

    /// Address of the HTTP port.
    pub fn http(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.http_port)
    }

    /// Address of the gRPC port.
    pub fn grpc(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.grpc_port)
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            http_port: 0,
            grpc_port: 0,
            ops: None,
            plaintext: Plaintext::Loopback,
            max_connections: 20_000,
            max_connection_age: Duration::from_secs(10 * 60),
            max_connection_age_grace: Duration::from_secs(5 * 60),
            write_timeout: Duration::from_secs(60),
            trusted_proxies: vec![],
            proxy_header: ProxyHeader::default(),
            max_calls_in_flight: 2048,
            max_streams: 20_000,
            request_timeout: Duration::from_secs(10),
            max_request_bytes: 1024 * 1024,
            cors_origins: vec![],
            shutdown_grace: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            tls: ListenTls::default(),
        }
    }
}

impl Validate for Listen {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        rule(self.http_port == 0 || self.http_port != self.grpc_port, "grpc_port", "must differ from http_port");
        let ops = self.ops.map_or(0, |address| address.port());
        rule(
            ops == 0 || (ops != self.http_port && ops != self.grpc_port),
            "ops",
            "must be another port than http_port and grpc_port",
        );
        rule(self.max_connections > 0, "max_connections", "must be at least 1");
        rule(
            self.max_connection_age.is_zero() || self.max_connection_age >= Duration::from_millis(100),
            "max_connection_age",
            "must be at least 100ms, or 0s",
        );
        rule(self.write_timeout >= Duration::from_millis(100), "write_timeout", "must be at least 100ms");
        rule(
            Proxies::of(self).is_ok(),
            "trusted_proxies",
            "must be networks such as 10.0.0.0/8 or addresses such as 192.0.2.1",
        );
        rule(self.max_calls_in_flight > 0, "max_calls_in_flight", "must be at least 1");
        rule(self.max_streams > 0, "max_streams", "must be at least 1");
        rule(self.request_timeout >= Duration::from_millis(100), "request_timeout", "must be at least 100ms");
        rule(
            (64 * 1024..=64 * 1024 * 1024).contains(&self.max_request_bytes),
            "max_request_bytes",
            "must be 65536 to 67108864",
        );
        rule(
            rest::Origins::parse(&self.cors_origins).is_ok(),
            "cors_origins",
            "must be addresses such as https://app.example.org without a path, or * alone",
        );
        self.tls.validate(section, self.host, self.plaintext, faults);
    }
}

/// `[<service>.database]`: the service's own PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://user:password@host:port/database`. Empty: a PostgreSQL that Nova manages itself.
    pub url: Secret,
    /// Most connections open at once.
    pub max_connections: usize,
    /// How long a call waits for a free connection.
    #[serde(with = "duration")]
    pub acquire_timeout: Duration,
    /// How long opening a connection may take.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// How long a statement may run.
    #[serde(with = "duration")]
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    #[serde(with = "duration")]
    pub lock_timeout: Duration,
    /// Set it behind PgBouncer in transaction mode.
    pub pgbouncer: bool,
    /// Apply pending migrations at the start; otherwise the start is refused while any is pending.
    pub migrate: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            max_connections: 16,
            acquire_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            pgbouncer: false,
            migrate: true,
        }
    }
}

impl Database {
    /// The pool's configuration; connections are named after the service.
    pub fn pool_config(&self, service: &str) -> pg::PoolConfig {
        pg::PoolConfig {
            url: self.url.expose().to_owned(),
            application_name: service.to_owned(),
            max_connections: self.max_connections,
            acquire_timeout: self.acquire_timeout,
            connect_timeout: self.connect_timeout,
            statement_timeout: self.statement_timeout,
            lock_timeout: self.lock_timeout,
            pgbouncer: self.pgbouncer,
            plans_by_index: false,
        }
    }
}

/// Whether an address is one of PostgreSQL: sqlx takes any scheme for that.
pub fn is_postgres(url: &str) -> bool {
    ["postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme))
}

impl Validate for Database {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !(1..=1000).contains(&self.max_connections) {
            faults.push(Fault::new(format!("{section}.max_connections"), "must be 1 to 1000"));
        }
        for (key, bound) in [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
        ] {
            // 0 would mean "for ever" to PostgreSQL
            if bound < Duration::from_millis(10) {
                faults.push(Fault::new(format!("{section}.{key}"), "must be at least 10ms"));
            }
        }
        let is_address = is_postgres(self.url.expose()) && self.pool_config("check").connect_options().is_ok();
        if !(self.url.is_empty() || is_address) {
            faults.push(Fault::new(format!("{section}.url"), "must be postgres://user:password@host:port/database"));
        }
    }
}

/// `[<service>.paging]`: page sizes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paging {
    /// Largest page; larger requests are served this many.
    pub max_limit: u32,
    /// Page size when the request leaves `limit` at 0.
    pub default_limit: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self { max_limit: 100, default_limit: 20 }
    }
}

impl Paging {
    /// As crate `pg` wants it.
    pub fn limits(&self) -> pg::page::Limits {
        pg::page::Limits { default: self.default_limit, max: self.max_limit }
    }
}

impl Validate for Paging {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !(1..=1000).contains(&self.max_limit) {
            faults.push(Fault::new(format!("{section}.max_limit"), "must be 1 to 1000"));
        }
        if self.default_limit == 0 || self.default_limit > self.max_limit {
            faults.push(Fault::new(format!("{section}.default_limit"), "must be 1 to max_limit"));
        }
    }
}

/// `[<service>.tokens]`: which access tokens are believed; the same as the auth service puts into them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcceptedTokens {
    /// Claim `iss`.
    pub issuer: String,
    /// Claim `aud`.
    pub audience: String,
}

impl Default for AcceptedTokens {
    fn default() -> Self {
        Self { issuer: "nova".to_owned(), audience: "nova".to_owned() }
    }
}

impl Validate for AcceptedTokens {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        for (key, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                faults.push(Fault::new(format!("{section}.{key}"), "must not be empty"));
            }
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`: what is logged and how.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `RUST_LOG` directives, such as `info,messaging_service=debug`.
    pub filter: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

impl Validate for Log {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if self.filter.parse::<tracing_subscriber::filter::Targets>().is_err() {
            faults.push(Fault::new(
                format!("{section}.filter"),
                "must be directives such as info,messaging_service=debug",
            ));
        }
    }
}
