//! The configuration of a program: one file and one environment for all services.

use std::path::PathBuf;

use chassis::config::{
    Fault, Faults, Log, PLACEHOLDER, Secret, SecretName, Secrets, ServiceConfig, Source, Validate, is_postgres,
    unfilled_problem,
};
use chassis::telemetry;
use clap::Args;
use sealing::MasterKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgConnectOptions;

use crate::DataFolder;

/// Sections that any program's file may have.
const SECTIONS: [&str; 5] = ["log", "auth", "user", "messaging", "front_door"];

/// Where each service looks for the collector of traces.
const TRACES_ENDPOINT: [&str; 3] = ["auth.traces.endpoint", "user.traces.endpoint", "messaging.traces.endpoint"];

/// Options that every program takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Configuration file (TOML).
    #[arg(long, global = true, value_name = "FILE", env = "NOVA_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder for the managed PostgreSQL and for secrets.
    #[arg(long, global = true, value_name = "DIR", env = "NOVA_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What a program does with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Work with it: secrets that are missing may be made.
    Work,
    /// Look at it: nothing is written.
    Look,
}

/// What was configured, with the usual environment variables put in their places.
pub struct Settings {
    /// What is logged and how.
    pub log: Log,
    /// Where data and secrets are.
    pub data: DataFolder,
    /// `DATABASE_URL`: the server for every service that has no database of its own configured.
    pub server: Option<Secret>,
    source: Source,
    purpose: Use,
    exposed: bool,
    faults: Vec<Fault>,
}

impl Settings {
    /// Reads the file and the environment, and starts logging as they say.
    ///
    /// # Errors
    /// If the file can't be read or there is no place for data; other faults are told by [`Self::finish`].
    pub fn load(options: &Options, purpose: Use) -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut source = Source::load(options.config.as_deref())?;
        usual_names(&mut source, variable);
        let mut faults = source.unknown_sections(&SECTIONS);
        let log: Log = source.section("log", &mut faults);
        telemetry::init(&log);
        let server = variable("DATABASE_URL").map(Secret::from);
        if server
            .as_ref()
            .is_some_and(|url| !is_postgres(url.expose()) || url.expose().parse::<PgConnectOptions>().is_err())
        {
            faults.push(Fault::new("DATABASE_URL", "must be postgres://user:password@host:port/database"));
        }
        if server.as_ref().is_some_and(|url| url.expose().contains(PLACEHOLDER)) {
            faults.push(Fault::new("DATABASE_URL", unfilled_problem()));
        }
        let data = DataFolder::at(options.data_dir.as_deref())?;
        Ok(Self { log, data, server, source, purpose, exposed: false, faults })
    }

    /// Reads a section that has no secrets.
    pub fn section<T: DeserializeOwned + Serialize + Default + Validate>(&mut self, name: &str) -> T {
        self.source.section(name, &mut self.faults)
    }

    /// Says that the services can be reached from other machines, whatever their own sections say: secrets must then be
    /// configured.
    pub fn expose(&mut self) {
        self.exposed = true;
    }

    /// Reads a service's section. Secrets that are not set are made in the data folder as long as the service can be
    /// reached from this machine only; otherwise they are faults.
    pub fn service<C: ServiceConfig>(&mut self) -> C {
        let mut config: C = self.source.section(C::SECTION, &mut self.faults);
        let local = config.listen().host.is_loopback() && !self.exposed;
        let (data, purpose, faults) = (&self.data, self.purpose, &mut self.faults);
        config.fill_secrets(&mut Filler { local, data, purpose, faults });
        config
    }

    /// Tells all faults that were found.
    ///
    /// # Errors
    /// If there are any.
    pub fn finish(&mut self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(std::mem::take(&mut self.faults))) }
    }
}

struct Filler<'a> {
    local: bool,
    data: &'a DataFolder,
    purpose: Use,
    faults: &'a mut Vec<Fault>,
}

impl Secrets for Filler<'_> {
    fn get(&mut self, key: &str, name: SecretName) -> Secret {
        if !self.local {
            let what = match name {
                SecretName::MasterKey => "32 bytes in base64; keep it in another place than your backups",
                SecretName::ServiceSecret => "what Nova's services know each other by, the same in each of them",
            };
            let file = self.data.secret_path(name);
            let from = if file.exists() {
                format!("this installation's is in {}", file.display())
            } else {
                "`openssl rand -base64 32` prints a new one".to_owned()
            };
            let problem = format!("must be set where others can reach the service: {what}; {from}");
            self.faults.push(Fault::new(key, problem));
            return Secret::default();
        }
        if self.purpose == Use::Look && !self.data.secret_path(name).exists() {
            return MasterKey::generate_base64().as_str().into(); // what a start would make
        }
        match self.data.secret(name) {
            Ok(secret) => secret,
            Err(error) => {
                self.faults.push(Fault::new(key, format!("{error:#}")));
                Secret::default()
            }
        }
    }

    fn other_master_keys(&mut self) -> Vec<Secret> {
        if !self.local {
            return vec![];
        }
        match self.data.next_master_key() {
            Ok(next) => next.into_iter().collect(),
            Err(error) => {
                self.faults.push(Fault::new("old_master_keys", format!("{error:#}")));
                vec![]
            }
        }
    }
}

/// Environment variables by names that other programs use too.
fn usual_names(source: &mut Source, variable: impl Fn(&str) -> Option<String>) {
    let services = ["auth", "user", "messaging"];
    if let Some(filter) = variable("RUST_LOG") {
        source.set_default("log.filter", filter);
    }
    let is_disabled = |name: &str| {
        name.starts_with("OTEL_") && variable("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
    };
    for (name, keys) in [
        ("MESSAGE_ENCRYPTION_MASTER_KEY", &["auth.master_key", "messaging.master_key"][..]),
        ("JWT_PRIVATE_KEY_PEM", &["auth.tokens.private_key_pem"]),
        (
            "KAFKA_BROKERS",
            &["auth.events.kafka.brokers", "user.events.kafka.brokers", "messaging.events.kafka.brokers"],
        ),
        ("REDIS_URL", &["auth.redis.url", "user.redis.url", "messaging.redis.url"]),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &TRACES_ENDPOINT),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &TRACES_ENDPOINT),
        ("OTEL_EXPORTER_OTLP_HEADERS", &["auth.traces.headers", "user.traces.headers", "messaging.traces.headers"]),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &["auth.traces.ca", "user.traces.ca", "messaging.traces.ca"]),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            &["auth.traces.sample_ratio", "user.traces.sample_ratio", "messaging.traces.sample_ratio"],
        ),
        (
            "OTEL_SERVICE_NAME",
            &["auth.traces.service_name", "user.traces.service_name", "messaging.traces.service_name"],
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            &[
                "auth.traces.resource_attributes",
                "user.traces.resource_attributes",
                "messaging.traces.resource_attributes",
            ],
        ),
        ("AUTH_SERVICE_GRPC_URL", &["user.peers.auth_url", "messaging.peers.auth_url"]),
        ("USER_SERVICE_GRPC_URL", &["auth.peers.user_url", "messaging.peers.user_url"]),
        ("MESSAGING_SERVICE_GRPC_URL", &["auth.peers.messaging_url", "user.peers.messaging_url"]),
    ] {
        if let Some(value) = variable(name).filter(|_| !is_disabled(name)) {
            for key in keys {
                source.set_default(key, value.clone());
            }
        }
    }
    if let Some(seconds) = variable("GRPC_REQUEST_TIMEOUT_SECS") {
        for service in services {
            source.set_default(&format!("{service}.listen.request_timeout"), format!("{seconds}s"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_yield_to_novas_own() {
        let own = [("NOVA_LOG__FILTER".to_owned(), "warn".to_owned())];
        let mut source = Source::from_parts("", "", own).expect("valid");
        usual_names(&mut source, |name| {
            Some(
                match name {
                    "RUST_LOG" => "debug",
                    "GRPC_REQUEST_TIMEOUT_SECS" => "3",
                    "REDIS_URL" => "redis://127.0.0.1",
                    "KAFKA_BROKERS" => "127.0.0.1:9092",
                    "OTEL_EXPORTER_OTLP_ENDPOINT" => "http://127.0.0.1:4317",
                    "OTEL_TRACES_SAMPLER_ARG" => "0.1",
                    _ => return None,
                }
                .to_owned(),
            )
        });
        let mut faults = vec![];
        let log: Log = source.section("log", &mut faults);
        assert_eq!((log.filter.as_str(), faults.len()), ("warn", 0));
        assert!(source.is_set("user.listen.request_timeout"));
        for key in ["redis.url", "events.kafka.brokers", "traces.endpoint", "traces.sample_ratio"] {
            assert!(["auth", "user", "messaging"].iter().all(|service| source.is_set(&format!("{service}.{key}"))));
        }
    }

    #[test]
    fn a_misspelt_section_is_named() {
        let source = Source::from_parts("[messagin]\nx = 1", "f", []).expect("valid");
        assert_eq!(source.unknown_sections(&SECTIONS)[0].key, "messagin");
    }

    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Empty {}
    impl Validate for Empty {
        fn validate(&self, _: &str, _: &mut Vec<Fault>) {}
    }

    #[test]
    fn a_section_that_is_missing_is_its_default() {
        let source = Source::default();
        let mut faults = vec![];
        let _: Empty = source.section("nothing", &mut faults);
        assert!(faults.is_empty());
    }
}
