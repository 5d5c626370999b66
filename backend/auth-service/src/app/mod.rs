//! Use cases, one file a subject. Each method checks whose data the caller touches, then does its work in one transaction.

mod accounts;
mod attempts;
pub mod audit;
mod audit_events;
mod audit_watch;
pub mod export;
mod hasher;
pub mod keyring;
mod login;
mod mail_tokens;
pub mod outbox;
mod passwords;
mod profiles;
mod queries;
mod refresh;
mod registration;
mod repeats;
mod roles;
mod sessions;
mod tokens;
mod totp;
pub mod webhooks;
pub mod workers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use authn::Verifier;
use chrono::{DateTime, Utc};
use clock::Clock;
use events::Wake;
use ids::SessionId;
use limits::Limiter;
use pg::Pool;
use sealing::MasterKey;

pub use accounts::Error as AccountError;
pub use attempts::Error as AttemptError;
pub use audit::Audit;
pub use audit_events::{Error as AuditError, Wanted};
pub use export::{Error as ExportError, Holders};
pub use hasher::{HashError, Hasher, Overloaded};
pub use keyring::Keyring;
pub use login::{Error as LoginError, Login};
pub use mail_tokens::Error as MailTokenError;
pub use passwords::{ChangePassword, Error as PasswordChangeError};
pub use profiles::Profiles;
pub use queries::{Error as QueryError, Search};
pub use refresh::Error as RefreshError;
pub use registration::{Error as RegisterError, Registration};
pub use roles::Error as RoleChangeError;
pub use sessions::Error as SessionError;
pub use tokens::{Error as TokenError, TokenState, Tokens, Verified};
pub use totp::Error as TotpError;
pub use webhooks::{Courier, Error as WebhookError, Feed, Wishes};

use crate::config::Config;
use crate::mail::MailQueue;
use crate::metrics::Metrics;
use crate::model::RefreshKey;
use crate::model::lockout::Policy;
use attempts::Turns;

/// How long another replica's change to webhooks may go unnoticed by what makes deliveries.
const WISHES_REMEMBERED: Duration = Duration::from_millis(100);

/// Everything that the use cases share.
pub struct App {
    pg: Pool,
    clock: Clock,
    config: Config,
    lockout: Policy,
    master: Arc<MasterKey>,
    verifier: Arc<Verifier>,
    limiter: Arc<Limiter>,
    keyring: Arc<Keyring>,
    refresh_key: RefreshKey,
    audit: Arc<Audit>,
    /// When revoked sessions were last read to the end.
    synced_at: Mutex<Option<DateTime<Utc>>>,
    hasher: Hasher,
    turns: Turns,
    mails: MailQueue,
    profiles: Profiles,
    holders: Holders,
    courier: Courier,
    wishes: Arc<Wishes>,
    news: Wake,
    metrics: Metrics,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// The service's database.
    pub pg: Pool,
    /// The one clock.
    pub clock: Clock,
    /// The configuration.
    pub config: Config,
    /// Seals what lies in the database.
    pub master: Arc<MasterKey>,
    /// Checks tokens in this process; the app keeps it up to date.
    pub verifier: Arc<Verifier>,
    /// Knows how many tries are taken for an account.
    pub limiter: Arc<Limiter>,
    /// Signing keys.
    pub keyring: Arc<Keyring>,
    /// The audit log.
    pub audit: Arc<Audit>,
    /// Mails on their way out.
    pub mails: MailQueue,
    /// The user service.
    pub profiles: Profiles,
    /// The services that hold something on people too.
    pub holders: Holders,
    /// What sends events to webhooks.
    pub courier: Courier,
    /// Tells the relay that there are events.
    pub news: Wake,
}

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// If the parameters for hashing passwords are out of bounds.
    pub fn try_new(parts: Parts) -> anyhow::Result<Self> {
        let Parts {
            pg,
            clock,
            config,
            master,
            verifier,
            limiter,
            keyring,
            audit,
            mails,
            profiles,
            holders,
            courier,
            news,
        } = parts;
        Ok(Self {
            lockout: config.lockout.policy(),
            hasher: Hasher::try_new(&config.password)?,
            turns: Turns::new(config.lockout.max_waiting),
            metrics: Metrics::register(),
            refresh_key: RefreshKey::of(&master),
            synced_at: Mutex::default(),
            pg,
            clock,
            config,
            master,
            verifier,
            limiter,
            keyring,
            audit,
            mails,
            profiles,
            holders,
            courier,
            wishes: Arc::new(Wishes::remembered_for(WISHES_REMEMBERED)),
            news,
        })
    }

    /// The service's own counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Writes gauges into the metrics.
    pub fn record_metrics(&self) {
        self.pg.record_metrics();
        self.hasher.record_metrics();
        if let Some(age) = self.keyring.age(self.clock.now()) {
            self.metrics.signing_key_age(age);
        }
    }

    /// The time by the service's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The public keys as a JWK set.
    pub fn jwks(&self) -> serde_json::Value {
        self.keyring.jwks()
    }

    /// Refuses the tokens of sessions in this process at once; other processes learn of it from the table.
    fn revoked(&self, sessions: impl IntoIterator<Item = SessionId>, now: DateTime<Utc>) {
        for session in sessions {
            self.verifier.revoke(session, self.tokens_dead_at(now));
        }
    }

    /// When the last access token issued by `now` has expired, with a margin for clocks that differ.
    fn tokens_dead_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.config.tokens.access_ttl + Duration::from_secs(60)
    }
}
