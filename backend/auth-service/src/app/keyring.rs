//! The signing keys as this process knows them, and how they come into the database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use authn::{Algorithm, Claims, ROLE_SERVICE};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ids::{SessionId, UserId};
use sealing::MasterKey;
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};

use super::{audit, outbox};
use crate::config::Tokens;
use crate::model::audit::{Actor, Entry, Event, Kind, Origin};
use crate::model::audit_chain::AuditKey;
use crate::model::keys::{KeyError, PublicJwk, SigningKey, jwk_set};
use crate::model::opaque::random_bytes;
use crate::storage::signing_keys::{self, StoredKey};

/// A retired key stays published this much longer than its last token lives, for clocks that differ.
const PUBLISHED_LONGER: Duration = Duration::from_secs(60);

/// Why the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table is empty.
    #[error("there is no key to sign tokens with")]
    NoKey,
    /// A stored key can't be opened, most likely because the master key is another one.
    #[error("signing key {kid} can't be opened; is auth.master_key the one that this database was set up with?")]
    Sealed {
        /// The key.
        kid: String,
        /// Why.
        #[source]
        source: sealing::Error,
    },
    /// A key can't be sealed.
    #[error("a signing key can't be sealed")]
    Seal(#[source] sealing::Error),
    /// A key is damaged.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The thread that made a key panicked.
    #[error("making a signing key was cut off")]
    CutOff(#[from] tokio::task::JoinError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

struct Held {
    key: Arc<SigningKey>,
    activates_at: DateTime<Utc>,
    retires_at: Option<DateTime<Utc>>,
}

impl Held {
    fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.activates_at <= now && self.retires_at.is_none_or(|at| at > now)
    }
}

/// The keys that are in force or will be, as of the last look at the table.
pub struct Keyring {
    master: Arc<MasterKey>,
    config: Tokens,
    held: RwLock<Arc<Vec<Held>>>,
}

impl Keyring {
    /// A ring without keys.
    pub fn new(master: Arc<MasterKey>, config: Tokens) -> Self {
        Self { master, config, held: RwLock::default() }
    }

    /// Reads the table again. Keys that are known are not opened again.
    ///
    /// # Errors
    /// [`Error`] if a key can't be read; the ring is then as before.
    pub async fn reload(&self, conn: &mut PgConnection, now: DateTime<Utc>) -> Result<(), Error> {
        let rows = signing_keys::list_keys(conn, now - self.config.access_ttl - PUBLISHED_LONGER).await?;
        let known = self.held();
        let known: HashMap<&str, &Arc<SigningKey>> = known.iter().map(|held| (held.key.kid(), &held.key)).collect();
        let mut held = Vec::with_capacity(rows.len());
        for row in rows {
            let key = match known.get(row.kid.as_str()) {
                Some(key) => Arc::clone(key),
                None => Arc::new(open(&self.master, &row)?),
            };
            held.push(Held { key, activates_at: row.activates_at, retires_at: row.retires_at });
        }
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
        Ok(())
    }

    /// Signs a person's access token.
    ///
    /// # Errors
    /// [`Error::NoKey`] before the first key is known.
    pub fn person_token(
        &self,
        user: UserId,
        session: SessionId,
        roles: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Error> {
        self.sign(user.to_string(), Some(session), roles, now)
    }

    /// Signs a service's access token.
    ///
    /// # Errors
    /// [`Error::NoKey`] before the first key is known.
    pub fn service_token(&self, client_id: &str, now: DateTime<Utc>) -> Result<SecretString, Error> {
        self.sign(client_id.to_owned(), None, vec![ROLE_SERVICE.to_owned()], now)
    }

    fn sign(
        &self,
        sub: String,
        session: Option<SessionId>,
        roles: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Error> {
        let life = i64::try_from(self.config.access_ttl.as_secs()).expect("the configuration bounds it to a day");
        let claims = Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub,
            iat: now.timestamp(),
            exp: now.timestamp() + life,
            jti: URL_SAFE_NO_PAD.encode(random_bytes::<16>()),
            sid: session.map(|id| id.to_string()),
            scope: roles.join(" "),
            roles,
        };
        let held = self.held();
        // One key retires when the next becomes active. If our clock is behind the one that wrote the first key, none is in
        // force yet: it signs all the same.
        let active = held.iter().rfind(|held| held.is_in_force(now)).or(held.last()).ok_or(Error::NoKey)?;
        Ok(active.key.sign(&claims)?.into())
    }

    /// How long the key that signs has been in force; nothing without one.
    pub fn age(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let held = self.held();
        held.iter().rfind(|held| held.is_in_force(now)).map(|held| now - held.activates_at)
    }

    /// Every key that a live token may be signed with, and the one that comes next.
    pub fn public(&self) -> Vec<PublicJwk> {
        self.held().iter().map(|held| held.key.public().clone()).collect()
    }

    /// The same as a JWK set.
    pub fn jwks(&self) -> serde_json::Value {
        jwk_set(self.held().iter().map(|held| held.key.public()))
    }

    fn held(&self) -> Arc<Vec<Held>> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sees to it that there is a key: the configured one, or the stored one, or a new one. Replicas that start at once agree.
///
/// # Errors
/// [`Error`] if the table can't be read or written.
pub async fn ensure_key(
    conn: &mut PgConnection,
    (master, audit_key): (&MasterKey, &AuditKey),
    configured: Option<SigningKey>,
    algorithm: Algorithm,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let is_configured = configured.is_some();
    let key = match configured {
        Some(key) => key,
        None if !signing_keys::list_keys(conn, now).await?.is_empty() => return Ok(()),
        // Made before the lock is taken: it takes a while, and of two replicas that make one the slower drops its own.
        None => generate(algorithm).await?,
    };
    let mut tx = conn.begin().await.map_err(pg::Error::from)?;
    signing_keys::lock_keys(&mut tx).await?;
    // A configured key is imported once: after a rotation it stays retired.
    let is_there = if is_configured {
        signing_keys::has_key(&mut tx, key.kid()).await?
    } else {
        !signing_keys::list_keys(&mut tx, now).await?.is_empty()
    };
    if !is_there {
        tracing::info!(kid = key.kid(), algorithm = key.algorithm().name(), "tokens are signed with key {}", key.kid());
        signing_keys::insert_key(&mut tx, &seal(master, &key, now)?, now).await?;
        let event = Event::new(Kind::SigningKeyRotation, Actor::Service(crate::NAME.to_owned()));
        note_key(&mut tx, audit_key, event, &key, now).await?;
    }
    tx.commit().await.map_err(pg::Error::from)?;
    Ok(())
}

/// Adds a new key that takes over at `activates_at`. Nobody is logged out: the old keys stay published.
///
/// # Errors
/// [`Error`] if the key can't be made or stored.
pub async fn rotate(
    conn: &mut PgConnection,
    (master, audit_key): (&MasterKey, &AuditKey),
    algorithm: Algorithm,
    now: DateTime<Utc>,
    activates_at: DateTime<Utc>,
) -> Result<String, Error> {
    let key = generate(algorithm).await?;
    let mut tx = conn.begin().await.map_err(pg::Error::from)?;
    signing_keys::lock_keys(&mut tx).await?;
    // A wrong master key would make a key that the running services can't open.
    if let Some(row) = signing_keys::list_keys(&mut tx, now).await?.last() {
        open(master, row)?;
    }
    signing_keys::insert_key(&mut tx, &seal(master, &key, activates_at)?, now).await?;
    note_key(&mut tx, audit_key, Event::new(Kind::SigningKeyRotation, Actor::Operator), &key, now).await?;
    tx.commit().await.map_err(pg::Error::from)?;
    Ok(key.kid().to_owned())
}

async fn note_key(
    tx: &mut PgConnection,
    audit_key: &AuditKey,
    event: Event,
    key: &SigningKey,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    events::outbox::append(tx, &[outbox::keys_rotated(key.kid(), now)]).await?;
    let event = event.with("kid", key.kid()).with("algorithm", key.algorithm().name());
    audit::append(tx, audit_key, &[Entry::new(event, &Origin::default(), now)]).await
}

async fn generate(algorithm: Algorithm) -> Result<SigningKey, Error> {
    Ok(tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await??)
}

fn context(kid: &str) -> Vec<u8> {
    format!("signing-key:{kid}").into_bytes()
}

fn seal(master: &MasterKey, key: &SigningKey, activates_at: DateTime<Utc>) -> Result<StoredKey, Error> {
    let private_sealed = master.seal(&context(key.kid()), &key.to_pkcs8()?).map_err(Error::Seal)?;
    Ok(StoredKey {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm().name().to_owned(),
        private_sealed,
        activates_at,
        retires_at: None,
    })
}

fn open(master: &MasterKey, row: &StoredKey) -> Result<SigningKey, Error> {
    let algorithm = Algorithm::from_name(&row.algorithm).ok_or(KeyError::Stored)?;
    let der = master
        .open(&context(&row.kid), &row.private_sealed)
        .map_err(|source| Error::Sealed { kid: row.kid.clone(), source })?;
    Ok(SigningKey::from_pkcs8(algorithm, &der)?)
}
