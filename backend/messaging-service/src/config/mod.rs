//! Section `[messaging]` of the configuration.

mod rate_limits;
mod streams;

use std::time::Duration;

use chassis::config::{
    AcceptedTokens, Database, Events, Fault, Listen, Paging, Peers, Redis, Secret, SecretName, Secrets, ServiceConfig,
    Traces, Validate, duration,
};
use sealing::MasterKeys;
use serde::{Deserialize, Serialize};

use crate::app::Pages;
use crate::app::contact_view::{MAX_AGE, Terms};
use crate::app::lanes::Shape;
use crate::model;
pub use rate_limits::RateLimits;
pub use streams::Streams;

/// The messaging service's configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Wraps the keys that contents are sealed with: 32 bytes in base64. The same in every replica.
    pub master_key: Secret,
    /// Master keys of before, while what they have wrapped is wrapped anew (`nova admin rotate-master-key`).
    pub old_master_keys: Vec<Secret>,
    /// Where it listens.
    pub listen: Listen,
    /// Its database.
    pub database: Database,
    /// The database of people's keys, which is not to be backed up together with the other one.
    pub keys: Database,
    /// The other services.
    pub peers: Peers,
    /// Which access tokens are believed.
    pub tokens: AcceptedTokens,
    /// Page sizes of conversations and members.
    pub paging: Paging,
    /// Page sizes of messages.
    pub message_paging: Paging,
    /// Bounds of what clients send.
    pub limits: Limits,
    /// The write path.
    pub send: Send,
    /// Who may write to whom.
    pub contact: Contact,
    /// Streams of events.
    pub streams: Streams,
    /// How many calls are taken from whom.
    pub rate_limits: RateLimits,
    /// What replicas share: limits, and word of changes and typing.
    pub redis: Redis,
    /// The collector that is told which call caused what.
    pub traces: Traces,
    /// The bus that tells of changes.
    pub events: Events,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            master_key: Secret::default(),
            old_master_keys: vec![],
            listen: Listen::on(8085, 9085),
            database: Database::default(),
            keys: Database { max_connections: 4, ..Database::default() },
            peers: Peers::default(),
            tokens: AcceptedTokens::default(),
            paging: Paging::default(),
            message_paging: Paging { default_limit: 50, ..Paging::default() },
            limits: Limits::default(),
            send: Send::default(),
            contact: Contact::default(),
            streams: Streams::default(),
            rate_limits: RateLimits::default(),
            redis: Redis::default(),
            traces: Traces::default(),
            events: Events::default(),
        }
    }
}

impl Config {
    /// The master keys.
    ///
    /// # Errors
    /// If one is none.
    pub fn master_keys(&self) -> Result<MasterKeys, sealing::Error> {
        MasterKeys::from_base64(self.master_key.expose(), self.old_master_keys.iter().map(Secret::expose))
    }

    /// Page sizes as the app wants them.
    pub fn pages(&self) -> Pages {
        Pages { messages: self.message_paging.limits(), others: self.paging.limits() }
    }
}

impl ServiceConfig for Config {
    const SECTION: &'static str = crate::NAME;

    fn listen(&self) -> &Listen {
        &self.listen
    }

    fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)> {
        let mut databases = vec![(crate::DATABASE, &mut self.database), (crate::KEYS_DATABASE, &mut self.keys)];
        databases.extend(self.events.databases_mut());
        databases
    }

    fn fill_secrets(&mut self, secrets: &mut dyn Secrets) {
        if self.master_key.is_empty() {
            self.master_key = secrets.get("messaging.master_key", SecretName::MasterKey);
            self.old_master_keys.extend(secrets.other_master_keys());
        }
        if self.peers.client_secret.is_empty() {
            self.peers.client_secret = secrets.get("messaging.peers.client_secret", SecretName::ServiceSecret);
        }
    }
}

impl Validate for Config {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !self.master_key.is_empty() && self.master_keys().is_err() {
            let problem = "must be 32 bytes in base64, as `openssl rand -base64 32` prints, and so must the old ones";
            faults.push(Fault::new(format!("{section}.master_key"), problem));
        }
        self.listen.validate(&format!("{section}.listen"), faults);
        self.database.validate(&format!("{section}.database"), faults);
        self.keys.validate(&format!("{section}.keys"), faults);
        if self.keys.url.is_empty() && !self.database.url.is_empty() {
            let problem = "must be set where database.url is: people's keys lie in a database of their own, apart from the backups";
            faults.push(Fault::new(format!("{section}.keys.url"), problem));
        } else if !self.keys.url.is_empty() && self.keys.url == self.database.url {
            faults.push(Fault::new(format!("{section}.keys.url"), "must be another database than database.url"));
        }
        self.peers.validate(&format!("{section}.peers"), faults);
        self.paging.validate(&format!("{section}.paging"), faults);
        self.message_paging.validate(&format!("{section}.message_paging"), faults);
        self.tokens.validate(&format!("{section}.tokens"), faults);
        self.limits.validate(&format!("{section}.limits"), faults);
        self.send.validate(&format!("{section}.send"), faults);
        self.contact.validate(&format!("{section}.contact"), faults);
        self.streams.validate(&format!("{section}.streams"), faults);
        self.rate_limits.validate(&format!("{section}.rate_limits"), faults);
        self.redis.validate(&format!("{section}.redis"), faults);
        self.traces.validate(&format!("{section}.traces"), faults);
        self.events.validate(&format!("{section}.events"), &self.database, faults);
        if self.limits.content_bytes * 2 > self.listen.max_request_bytes {
            let problem = "must be at least twice limits.content_bytes";
            faults.push(Fault::new(format!("{section}.listen.max_request_bytes"), problem));
        }
    }
}

/// `[messaging.limits]`: bounds of what clients send.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of a message's text or ciphertext.
    pub content_bytes: usize,
    /// Most members of a group, its owner included.
    pub group_members: usize,
    /// Most ids in one request.
    pub batch: usize,
    /// Most bytes of content on one page, unless a single message has more: gRPC clients read 4 MiB by default.
    pub page_bytes: usize,
    /// Members of a conversation up to which each is told of the others' read markers; in larger ones only of their own.
    pub read_markers_told_up_to: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            content_bytes: 64 * 1024,
            group_members: 1000,
            batch: 100,
            page_bytes: 3 * 1024 * 1024,
            read_markers_told_up_to: 100,
        }
    }
}

impl Limits {
    /// As the model wants them.
    pub fn model(&self) -> model::Limits {
        model::Limits {
            content_bytes: self.content_bytes,
            group_members: self.group_members,
            batch: self.batch,
            page_bytes: self.page_bytes,
            read_markers_told_up_to: i32::try_from(self.read_markers_told_up_to).unwrap_or(i32::MAX),
        }
    }
}

impl Validate for Limits {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        within(section, faults, "content_bytes", self.content_bytes, 1..=16 * 1024 * 1024);
        within(section, faults, "group_members", self.group_members, 2..=100_000);
        within(section, faults, "batch", self.batch, 1..=1000);
        within(section, faults, "page_bytes", self.page_bytes, 1..=64 * 1024 * 1024);
        within(section, faults, "read_markers_told_up_to", self.read_markers_told_up_to, 0..=100_000);
    }
}

/// `[messaging.send]`: the write path.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// Writers at work at once; a conversation always uses the same one, and each has a database connection of its own
    /// beside those of `database.max_connections`.
    pub lanes: usize,
    /// Messages that may wait for each writer; more are refused with OVERLOADED.
    pub queue: usize,
    /// Most messages that a writer stores in one commit.
    pub max_batch: usize,
}

impl Default for Send {
    fn default() -> Self {
        Self { lanes: 4, queue: 1024, max_batch: 128 }
    }
}

impl Send {
    /// As the lanes want it.
    pub fn shape(&self) -> Shape {
        Shape { lanes: self.lanes, queue: self.queue, max_batch: self.max_batch }
    }
}

impl Validate for Send {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        within(section, faults, "lanes", self.lanes, 1..=64);
        within(section, faults, "queue", self.queue, 1..=100_000);
        within(section, faults, "max_batch", self.max_batch, 1..=1000);
    }
}

/// `[messaging.contact]`: how long the user service's word on who may write to whom is believed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// Without asking again. At most 900ms: a block must be obeyed everywhere within a second. Whatever it is, an answer
    /// is never acted on when it is older than that.
    #[serde(with = "duration")]
    pub fresh: Duration,
    /// While the user service cannot be reached; after that direct messages get UNAVAILABLE.
    #[serde(with = "duration")]
    pub hold: Duration,
    /// How long an answer is waited for.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Pairs of people that are remembered.
    pub capacity: u64,
}

impl Default for Contact {
    fn default() -> Self {
        Self {
            fresh: Duration::from_millis(900),
            hold: Duration::from_secs(300),
            timeout: Duration::from_secs(1),
            capacity: 100_000,
        }
    }
}

impl Contact {
    /// As the view wants it.
    pub fn terms(&self) -> Terms {
        Terms { fresh: self.fresh, hold: self.hold, capacity: self.capacity }
    }
}

impl Validate for Contact {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if self.fresh > MAX_AGE {
            faults.push(Fault::new(format!("{section}.fresh"), "must be at most 900ms"));
        }
        if self.hold < self.fresh {
            faults.push(Fault::new(format!("{section}.hold"), "must not be shorter than fresh"));
        }
        if self.timeout.is_zero() {
            faults.push(Fault::new(format!("{section}.timeout"), "must not be 0"));
        }
        if self.capacity == 0 {
            faults.push(Fault::new(format!("{section}.capacity"), "must be at least 1"));
        }
    }
}

fn within(section: &str, faults: &mut Vec<Fault>, key: &str, value: usize, range: std::ops::RangeInclusive<usize>) {
    if !range.contains(&value) {
        let problem = format!("must be {} to {}", range.start(), range.end());
        faults.push(Fault::new(format!("{section}.{key}"), problem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::config::Source;
    use std::collections::BTreeSet;

    const EXAMPLE: &str = include_str!("../../messaging-service.example.toml");

    fn read(toml: &str) -> (Config, Vec<Fault>) {
        let source = Source::from_parts(toml, "test.toml", []).expect("toml");
        let mut faults = source.unknown_sections(&["messaging"]);
        let config = source.section("messaging", &mut faults);
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
    fn one_key_of_a_section_leaves_the_others_as_they_are() {
        let toml = "[messaging.listen]\nhost = '::1'\n[messaging.keys]\nurl = 'postgres://nova@db/keys'\n\
                    [messaging.message_paging]\nmax_limit = 200";
        let (config, faults) = read(toml);
        let default = Config::default();
        assert_eq!(faults, []);
        assert_eq!((config.listen.http_port, config.listen.grpc_port), (8085, 9085));
        assert_eq!(config.keys.max_connections, default.keys.max_connections);
        assert_eq!(config.message_paging.default_limit, default.message_paging.default_limit);
    }

    #[test]
    fn every_fault_is_told_by_its_key() {
        let toml = "[messaging]\nmaster_key = 'short'\n[messaging.send]\nlanes = 0\nqueue = 0\n[messaging.contact]\nfresh = '2s'\nhold = '1s'\ntimeout = '0s'\n\
                    [messaging.limits]\ncontent_bytes = 1000000\nbatch = 0\n[messaging.tokens]\nissuer = ''\n\
                    [messaging.database]\nmax_connections = 0\nurl = 'postgres://here/x'\n[messaging.keys]\nmax_connections = 0\n[messaging.streams]\nheartbeat = '0s'\npoll = '2s'\n\
                    slow_reader = '1ms'\nretention = '1m'\nmax_per_user = 0\n[messaging.redis]\nurl = 'here'";
        let found: BTreeSet<String> = read(toml).1.into_iter().map(|fault| fault.key).collect();
        let expected = [
            "contact.fresh",
            "contact.hold",
            "contact.timeout",
            "database.max_connections",
            "events.database.url",
            "keys.max_connections",
            "keys.url",
            "limits.batch",
            "listen.max_request_bytes",
            "master_key",
            "send.lanes",
            "redis.url",
            "send.queue",
            "streams.heartbeat",
            "streams.max_per_user",
            "streams.poll",
            "streams.retention",
            "streams.slow_reader",
            "tokens.issuer",
        ];
        assert_eq!(found, expected.iter().map(|key| format!("messaging.{key}")).collect());
    }
}
