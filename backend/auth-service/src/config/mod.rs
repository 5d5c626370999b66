//! `[auth]`: the configuration of the auth service. auth-service.example.toml shows every key with its default.

mod rate_limits;
mod sections;
mod webhooks;

use std::collections::BTreeMap;

use chassis::config::{
    Database, Events, Fault, Listen, Paging, Redis, Secret, SecretName, Secrets, ServiceConfig, Traces, Validate,
};
use serde::{Deserialize, Serialize};

pub use rate_limits::RateLimits;
pub use sections::{Audit, Lockout, Mail, PasswordHashing, Peers, Tokens, Totp};
pub use webhooks::Webhooks;

/// Nova's own services, which need a client secret each.
const OWN_CLIENTS: [&str; 2] = ["messaging", "user"];

/// The `[auth]` section.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seals signing keys, TOTP secrets and the audit log's key in the database: 32 bytes in base64. Losing it loses them.
    pub master_key: Secret,
    /// Master keys of before, while what they have wrapped is wrapped anew (`nova admin rotate-master-key`).
    pub old_master_keys: Vec<Secret>,
    /// Most ids that a batch look-up takes; the other services count on 100.
    pub max_batch: usize,
    /// Where the service listens.
    pub listen: Listen,
    /// Its own PostgreSQL database.
    pub database: Database,
    /// Page sizes.
    pub paging: Paging,
    /// The services that it calls.
    pub peers: Peers,
    /// Access and refresh tokens.
    pub tokens: Tokens,
    /// Hashing of passwords.
    pub password: PasswordHashing,
    /// What failed log-ins lead to.
    pub lockout: Lockout,
    /// The second factor.
    pub totp: Totp,
    /// The log of security events.
    pub audit: Audit,
    /// Mails for password resets and e-mail verification.
    pub mail: Mail,
    /// Events that are sent to addresses of administrators' choice.
    pub webhooks: Webhooks,
    /// How many calls are taken from whom.
    pub rate_limits: RateLimits,
    /// What replicas share: limits.
    pub redis: Redis,
    /// The collector that is told which call caused what.
    pub traces: Traces,
    /// The bus that tells of changes.
    pub events: Events,
    /// Services that may ask for a token: client id = secret.
    pub service_clients: BTreeMap<String, Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            master_key: Secret::default(),
            old_master_keys: vec![],
            max_batch: 100,
            listen: Listen::on(8080, 9080),
            database: Database::default(),
            paging: Paging::default(),
            peers: Peers::default(),
            tokens: Tokens::default(),
            password: PasswordHashing::default(),
            lockout: Lockout::default(),
            totp: Totp::default(),
            audit: Audit::default(),
            mail: Mail::default(),
            webhooks: Webhooks::default(),
            rate_limits: RateLimits::default(),
            redis: Redis::default(),
            traces: Traces::default(),
            events: Events::default(),
            service_clients: OWN_CLIENTS.map(|client| (client.to_owned(), Secret::default())).into(),
        }
    }
}

impl Config {
    /// The master keys.
    ///
    /// # Errors
    /// If one is none.
    pub fn master_keys(&self) -> Result<sealing::MasterKeys, sealing::Error> {
        let others = self.old_master_keys.iter().map(Secret::expose);
        sealing::MasterKeys::from_base64(self.master_key.expose(), others)
    }
}

impl Validate for Config {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let key = |name: &str| format!("{section}.{name}");
        if !self.master_key.is_empty() && self.master_keys().is_err() {
            let problem = "must be 32 bytes in base64, as `openssl rand -base64 32` prints, and so must the old ones";
            faults.push(Fault::new(key("master_key"), problem));
        }
        // The other services ask for this many at once.
        if !(100..=1000).contains(&self.max_batch) {
            faults.push(Fault::new(key("max_batch"), "must be 100 to 1000"));
        }
        if self.mail.smtp_url.is_empty() && !self.mail.to_log && !self.listen.host.is_loopback() {
            let problem = format!(
                "must be set where {0}.listen.host is reached from other machines; or set {0}.mail.to_log = true to have \
                 mails, addresses and tokens in the log",
                section
            );
            faults.push(Fault::new(key("mail.smtp_url"), problem));
        }
        for (client, secret) in &self.service_clients {
            if client.is_empty() || client.len() > 64 || client.chars().any(char::is_control) {
                faults.push(Fault::new(key("service_clients"), "client ids must be 1 to 64 characters"));
            }
            if !secret.is_empty() && secret.expose().len() < 16 {
                let key = key(&format!("service_clients.{client}"));
                faults.push(Fault::new(key, "must be at least 16 characters, as `openssl rand -base64 32` prints"));
            }
        }
        self.listen.validate(&key("listen"), faults);
        self.database.validate(&key("database"), faults);
        self.paging.validate(&key("paging"), faults);
        self.peers.validate(&key("peers"), faults);
        self.tokens.validate(&key("tokens"), faults);
        self.password.validate(&key("password"), faults);
        self.lockout.validate(&key("lockout"), faults);
        self.totp.validate(&key("totp"), faults);
        self.audit.validate(&key("audit"), faults);
        self.mail.validate(&key("mail"), faults);
        self.webhooks.validate(&key("webhooks"), faults);
        self.rate_limits.validate(&key("rate_limits"), faults);
        self.redis.validate(&key("redis"), faults);
        self.traces.validate(&key("traces"), faults);
        self.events.validate(&key("events"), &self.database, faults);
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "auth";

    fn listen(&self) -> &Listen {
        &self.listen
    }

    fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)> {
        let mut databases = vec![("nova_auth", &mut self.database)];
        databases.extend(self.events.databases_mut());
        databases
    }

    fn fill_secrets(&mut self, secrets: &mut dyn Secrets) {
        if self.master_key.is_empty() {
            self.master_key = secrets.get("auth.master_key", SecretName::MasterKey);
            self.old_master_keys.extend(secrets.other_master_keys());
        }
        for client in OWN_CLIENTS {
            let secret = self.service_clients.entry(client.to_owned()).or_default();
            if secret.is_empty() {
                *secret = secrets.get(&format!("auth.service_clients.{client}"), SecretName::ServiceSecret);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::config::Source;

    fn read(toml: &str) -> (Config, Vec<Fault>) {
        let source = Source::from_parts(toml, "test.toml", []).expect("toml");
        let mut faults = source.unknown_sections(&["auth"]);
        let config = source.section("auth", &mut faults);
        (config, faults)
    }

    #[test]
    fn the_example_is_the_default() {
        let (config, faults) = read(include_str!("../../auth-service.example.toml"));
        assert_eq!(faults, []);
        assert_eq!(config, Config::default());
    }

    #[test]
    fn the_example_has_every_key() {
        testkit::assert_every_key::<Config>(include_str!("../../auth-service.example.toml"));
    }

    #[test]
    fn every_broken_rule_is_told() {
        let (_, faults) = read(
            "[auth]\nmaster_key = 'short'\nmax_batch = 0\n[auth.tokens]\naccess_ttl = '2days'\nprivate_key_pem = 'x'\n\
             [auth.password]\nmemory_kib = 1\n[auth.lockout]\nmax_attempts = 0\n[auth.totp]\nissuer = 'a:b'\n[auth.audit]\nretention = '1h'\nverify_every = '0s'\n\
             [auth.mail]\nfrom = 'nobody'\nsmtp_url = 'http://x'\n[auth.service_clients]\nuser = 'short'\n\
             [auth.webhooks]\nallow_networks = ['10.0.0.0/33']\nmax_in_flight = 0\nretention = '1h'",
        );
        let mut keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "auth.audit.retention",
                "auth.audit.verify_every",
                "auth.lockout.max_attempts",
                "auth.mail.from",
                "auth.mail.smtp_url",
                "auth.master_key",
                "auth.max_batch",
                "auth.password.memory_kib",
                "auth.service_clients.user",
                "auth.tokens.access_ttl",
                "auth.tokens.private_key_pem",
                "auth.totp.issuer",
                "auth.webhooks.allow_networks",
                "auth.webhooks.max_in_flight",
                "auth.webhooks.max_in_flight_per_webhook",
                "auth.webhooks.retention",
            ]
        );
    }

    #[test]
    fn beyond_this_machine_mails_go_to_the_log_only_if_that_is_wanted() {
        let faults = |toml: &str| read(toml).1.into_iter().map(|fault| fault.key).collect::<Vec<_>>();
        let on = |host: &str, mail: &str| {
            faults(&format!("[auth.listen]\nhost = '{host}'\nplaintext = 'behind-a-proxy'\n[auth.mail]\n{mail}"))
        };
        assert_eq!(on("0.0.0.0", ""), ["auth.mail.smtp_url"]);
        assert_eq!(on("::", ""), ["auth.mail.smtp_url"]);
        assert_eq!(on("0.0.0.0", "to_log = true"), Vec::<String>::new());
        assert_eq!(on("0.0.0.0", "smtp_url = 'smtp://mail:25'"), Vec::<String>::new());
        assert_eq!(faults("[auth.listen]\nhost = '::1'"), Vec::<String>::new());
    }

    #[test]
    fn a_batch_takes_what_the_other_services_ask_for() {
        assert_eq!(read("[auth]\nmax_batch = 99").1.len(), 1);
        assert_eq!(read("[auth]\nmax_batch = 100").1, []);
    }

    #[test]
    fn printing_hides_secrets() {
        let (config, _) = read("[auth.service_clients]\nuser = '0123456789abcdef'");
        let printed = toml::to_string(&config).expect("serializable");
        assert!(
            !printed.contains("0123456789abcdef") && !format!("{config:?}").contains("0123456789abcdef"),
            "{printed}"
        );
    }
}
