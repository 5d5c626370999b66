//! `[user]`: the configuration of the user service. user-service.example.toml shows every key with its default.

mod cache;
mod rate_limits;

use chassis::config::{
    AcceptedTokens, Database, Events, Fault, Listen, Paging, Peers, Redis, SecretName, Secrets, ServiceConfig, Traces,
    Validate,
};
use serde::{Deserialize, Serialize};

pub use cache::CacheSection;
pub use rate_limits::RateLimits;

/// What the messaging service may count on: so many ids it names in one CheckContact without asking.
pub const LEAST_CONTACTS: usize = 1000;

/// The `[user]` section.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Most ids that GetUserProfilesByIds takes.
    pub max_batch: usize,
    /// Most ids that CheckContact takes; at least [`LEAST_CONTACTS`], and the largest group of the messaging service.
    pub max_contacts: usize,
    /// Where the service listens.
    pub listen: Listen,
    /// Its own PostgreSQL database.
    pub database: Database,
    /// Page sizes.
    pub paging: Paging,
    /// The services that it calls.
    pub peers: Peers,
    /// Which access tokens are accepted.
    pub tokens: AcceptedTokens,
    /// How many calls are taken from whom.
    pub rate_limits: RateLimits,
    /// What is remembered of the database.
    pub cache: CacheSection,
    /// What replicas share: limits, and what has changed.
    pub redis: Redis,
    /// The collector that is told which call caused what.
    pub traces: Traces,
    /// The bus that tells of changes.
    pub events: Events,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_batch: 100,
            max_contacts: LEAST_CONTACTS,
            listen: Listen::on(8081, 9081),
            database: Database::default(),
            paging: Paging::default(),
            peers: Peers::default(),
            tokens: AcceptedTokens::default(),
            rate_limits: RateLimits::default(),
            cache: CacheSection::default(),
            redis: Redis::default(),
            traces: Traces::default(),
            events: Events::default(),
        }
    }
}

impl Validate for Config {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let key = |name: &str| format!("{section}.{name}");
        if !(1..=1000).contains(&self.max_batch) {
            faults.push(Fault::new(key("max_batch"), "must be 1 to 1000"));
        }
        if !(LEAST_CONTACTS..=10_000).contains(&self.max_contacts) {
            faults.push(Fault::new(key("max_contacts"), "must be 1000 to 10000"));
        }
        self.listen.validate(&key("listen"), faults);
        self.database.validate(&key("database"), faults);
        self.paging.validate(&key("paging"), faults);
        self.peers.validate(&key("peers"), faults);
        self.tokens.validate(&key("tokens"), faults);
        self.rate_limits.validate(&key("rate_limits"), faults);
        self.cache.validate(&key("cache"), faults);
        self.redis.validate(&key("redis"), faults);
        self.traces.validate(&key("traces"), faults);
        self.events.validate(&key("events"), &self.database, faults);
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = "user";

    fn listen(&self) -> &Listen {
        &self.listen
    }

    fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)> {
        let mut databases = vec![(crate::DATABASE, &mut self.database)];
        databases.extend(self.events.databases_mut());
        databases
    }

    fn fill_secrets(&mut self, secrets: &mut dyn Secrets) {
        if self.peers.client_secret.is_empty() {
            self.peers.client_secret = secrets.get("user.peers.client_secret", SecretName::ServiceSecret);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::config::Source;

    const EXAMPLE: &str = include_str!("../user-service.example.toml");

    fn read(toml: &str) -> (Config, Vec<Fault>) {
        let source = Source::from_parts(toml, "test.toml", []).expect("toml");
        let mut faults = source.unknown_sections(&["user"]);
        let config = source.section("user", &mut faults);
        (config, faults)
    }

    #[test]
    fn the_example_is_the_default() {
        assert_eq!(read(EXAMPLE), (Config::default(), vec![]));
    }

    #[test]
    fn the_example_has_every_key() {
        testkit::assert_every_key::<Config>(EXAMPLE);
    }

    #[test]
    fn every_fault_is_told_by_its_key() {
        let toml = "[user]\nmax_batch = 0\nmax_contacts = 999\n[user.tokens]\nissuer = ''\n[user.paging]\nmax_limit = 0\n[user.cache]\nmax_age = '901ms'";
        let keys: Vec<String> = read(toml).1.into_iter().map(|fault| fault.key).collect();
        for key in
            ["user.max_batch", "user.max_contacts", "user.tokens.issuer", "user.paging.max_limit", "user.cache.max_age"]
        {
            assert!(keys.iter().any(|k| k == key), "{key} in {keys:?}");
        }
    }
}
