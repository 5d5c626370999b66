//! The parts of `[auth]`.

use std::time::Duration;

use authn::Algorithm;
use chassis::config::{Fault, PeerBounds, PeersTls, Plaintext, Secret, Validate, duration};
use serde::{Deserialize, Serialize};

use crate::model::Email;
use crate::model::keys::SigningKey;
use crate::model::lockout::Policy;

/// `[auth.peers]`: the services that the auth service calls.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// gRPC address of the user service.
    pub user_url: String,
    /// gRPC address of the messaging service.
    pub messaging_url: String,
    /// Name in the user service's certificate. Empty: the host of its address.
    pub user_name: String,
    /// Name in the messaging service's certificate. Empty: the host of its address.
    pub messaging_name: String,
    /// Where calls without TLS are allowed: `loopback`, or `behind-a-proxy` if a proxy or mesh does TLS on the way.
    pub plaintext: Plaintext,
    /// How long a call to one may take. Registration waits no longer for the profile; a worker makes it later. Of an export, how
    /// long one is waited for until it begins.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Whom we believe, and what we show them.
    pub tls: PeersTls,
    /// What calls to each of them may cost.
    pub bounds: PeerBounds,
    /// The way to the peers where this process serves them itself; set by its program, whatever the addresses are.
    #[serde(skip)]
    pub doorway: Option<rpc::Doorway>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            user_url: "http://127.0.0.1:9081".to_owned(),
            messaging_url: "http://127.0.0.1:9085".to_owned(),
            user_name: String::new(),
            messaging_name: String::new(),
            plaintext: Plaintext::Loopback,
            timeout: Duration::from_secs(2),
            tls: PeersTls::default(),
            bounds: PeerBounds::default(),
            doorway: None,
        }
    }
}

impl Validate for Peers {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        for (name, url, certificate_name) in
            [("user", &self.user_url, &self.user_name), ("messaging", &self.messaging_url, &self.messaging_name)]
        {
            self.tls.validate_peer(section, (name, url), certificate_name, self.plaintext, faults);
        }
        self.tls.validate(section, faults);
        self.bounds.validate(&format!("{section}.bounds"), faults);
        if self.timeout.is_zero() {
            faults.push(Fault::new(format!("{section}.timeout"), "must not be 0"));
        }
    }
}

/// `[auth.tokens]`: access and refresh tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// Claim `iss`. The same in every service.
    pub issuer: String,
    /// Claim `aud`. The same in every service.
    pub audience: String,
    /// How new keys sign: `RS256`, which everything understands, or `EdDSA`, which is smaller and faster.
    pub algorithm: Algorithm,
    /// Life of an access token, 1 minute to 24 hours.
    #[serde(with = "duration")]
    pub access_ttl: Duration,
    /// Life of a refresh token; a session that is not used for so long ends.
    #[serde(with = "duration")]
    pub refresh_ttl: Duration,
    /// How long a refresh token that was used gets the same successor again.
    #[serde(with = "duration")]
    pub refresh_grace: Duration,
    /// How often other replicas' revocations and new keys are looked for; at most 1 s.
    #[serde(with = "duration")]
    pub poll_interval: Duration,
    /// A private key in PEM to sign with (RSA of 2048 bits or more, or Ed25519). Empty: Nova makes one.
    pub private_key_pem: Secret,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            issuer: "nova".to_owned(),
            audience: "nova".to_owned(),
            algorithm: Algorithm::RS256,
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            refresh_grace: Duration::from_secs(10),
            poll_interval: Duration::from_millis(300),
            private_key_pem: Secret::default(),
        }
    }
}

impl Validate for Tokens {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        let day = Duration::from_secs(24 * 60 * 60);
        rule(!self.issuer.is_empty(), "issuer", "must not be empty");
        rule(!self.audience.is_empty(), "audience", "must not be empty");
        rule((Duration::from_secs(60)..=day).contains(&self.access_ttl), "access_ttl", "must be 1m to 24h");
        rule((self.access_ttl..=day * 400).contains(&self.refresh_ttl), "refresh_ttl", "must be access_ttl to 400days");
        rule(self.refresh_grace <= Duration::from_secs(60), "refresh_grace", "must be at most 1m");
        let polls = Duration::from_millis(50)..=Duration::from_secs(1);
        rule(polls.contains(&self.poll_interval), "poll_interval", "must be 50ms to 1s");
        let pem = self.private_key_pem.expose();
        let usable = pem.is_empty() || SigningKey::from_pem(pem).is_ok();
        rule(usable, "private_key_pem", "must be a private RSA key of at least 2048 bits or an Ed25519 key, in PEM");
    }
}

/// `[auth.password]`: Argon2id, with the parameters that OWASP recommends.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordHashing {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes at once; 0 takes the number of processor cores. Each takes `memory_kib`.
    pub max_concurrent: usize,
    /// Calls that wait for a hash; more are refused with RESOURCE_EXHAUSTED.
    pub max_waiting: usize,
}

impl Default for PasswordHashing {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, max_concurrent: 0, max_waiting: 256 }
    }
}

impl Validate for PasswordHashing {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        rule((1..=16).contains(&self.parallelism), "parallelism", "must be 1 to 16");
        let least = self.parallelism.saturating_mul(8).max(1024);
        rule((least..=1_048_576).contains(&self.memory_kib), "memory_kib", "must be 1024 to 1048576");
        rule((1..=100).contains(&self.iterations), "iterations", "must be 1 to 100");
        rule(self.max_concurrent <= 1024, "max_concurrent", "must be at most 1024");
        rule((1..=100_000).contains(&self.max_waiting), "max_waiting", "must be 1 to 100000");
    }
}

/// `[auth.lockout]`: what failed log-ins lead to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lockout {
    /// Failures in a row that lock the log-in.
    pub max_attempts: i32,
    /// How long the lock lasts.
    #[serde(with = "duration")]
    pub duration: Duration,
    /// A failure that comes this long after the one before starts a new row.
    #[serde(with = "duration")]
    pub forget_after: Duration,
    /// Log-ins that wait for one another because they are for the same account; more are refused.
    pub max_waiting: usize,
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            duration: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(24 * 60 * 60),
            max_waiting: 128,
        }
    }
}

impl Lockout {
    /// As the rules want it.
    pub fn policy(&self) -> Policy {
        Policy { max_attempts: self.max_attempts, duration: self.duration, forget_after: self.forget_after }
    }
}

impl Validate for Lockout {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        let (second, month) = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 60 * 60));
        rule((1..=1000).contains(&self.max_attempts), "max_attempts", "must be 1 to 1000");
        rule((second..=month).contains(&self.duration), "duration", "must be 1s to 30days");
        rule((self.duration..=month).contains(&self.forget_after), "forget_after", "must be duration to 30days");
        rule((1..=100_000).contains(&self.max_waiting), "max_waiting", "must be 1 to 100000");
    }
}

/// `[auth.totp]`: the second factor.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Totp {
    /// Name of the installation in authenticator apps.
    pub issuer: String,
}

impl Default for Totp {
    fn default() -> Self {
        Self { issuer: "Nova".to_owned() }
    }
}

impl Validate for Totp {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if self.issuer.is_empty() || self.issuer.len() > 64 || self.issuer.contains(':') {
            faults.push(Fault::new(format!("{section}.issuer"), "must be 1 to 64 characters without a colon"));
        }
    }
}

/// `[auth.audit]`: the log of security events.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// How long an event is kept, 1 to 3650 days.
    #[serde(with = "duration")]
    pub retention: Duration,
    /// How often the whole log is proved against its MACs, 1 second to 30 days; the first time five minutes after the start.
    #[serde(with = "duration")]
    pub verify_every: Duration,
}

impl Default for Audit {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { retention: day * 400, verify_every: day }
    }
}

impl Validate for Audit {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let day = Duration::from_secs(24 * 60 * 60);
        if !(day..=day * 3650).contains(&self.retention) {
            faults.push(Fault::new(format!("{section}.retention"), "must be 1day to 3650days"));
        }
        if !(Duration::from_secs(1)..=day * 30).contains(&self.verify_every) {
            faults.push(Fault::new(format!("{section}.verify_every"), "must be 1s to 30days"));
        }
    }
}

/// `[auth.mail]`: mails for password resets and e-mail verification.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `smtps://user:password@host`, or `smtp://host:port?tls=required`. Empty: mails are written to the log, with their
    /// tokens; beyond 127.0.0.1 only if `to_log` says so.
    pub smtp_url: Secret,
    /// Whether mails may be written to the log where the service is reached from other machines.
    pub to_log: bool,
    /// Sender, such as `Nova <nova@example.org>`.
    pub from: String,
    /// Address of the web page that links in mails lead to.
    pub public_url: String,
    /// Mails that wait to be sent; while there are more, requests for another are refused.
    pub max_waiting: usize,
    /// How long the token of a password reset mail is good.
    #[serde(with = "duration")]
    pub reset_ttl: Duration,
    /// How long the token of a verification mail is good.
    #[serde(with = "duration")]
    pub verification_ttl: Duration,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            smtp_url: Secret::default(),
            to_log: false,
            from: "Nova <nova@localhost.localdomain>".to_owned(),
            public_url: "http://127.0.0.1:8000".to_owned(),
            max_waiting: 1024,
            reset_ttl: Duration::from_secs(60 * 60),
            verification_ttl: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Validate for Mail {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        let smtp = self.smtp_url.expose();
        let usable = smtp.is_empty() || crate::mail::transport(smtp).is_ok();
        rule(usable, "smtp_url", "must be smtps://user:password@host or smtp://host:port");
        let address = self.from.rsplit_once('<').map_or(self.from.as_str(), |(_, rest)| rest.trim_end_matches('>'));
        let from = Email::parse(address).is_ok() && self.from.parse::<lettre::message::Mailbox>().is_ok();
        rule(from, "from", "must be a sender such as Nova <nova@example.org>");
        let url = self.public_url.parse::<http::Uri>().ok();
        rule(
            url.is_some_and(|u| u.scheme().is_some()),
            "public_url",
            "must be an address such as https://nova.example.org",
        );
        rule((1..=100_000).contains(&self.max_waiting), "max_waiting", "must be 1 to 100000");
        rule(!self.reset_ttl.is_zero(), "reset_ttl", "must not be 0");
        rule(!self.verification_ttl.is_zero(), "verification_ttl", "must not be 0");
    }
}
