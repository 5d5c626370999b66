//! Checks access tokens without asking anyone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use cache::Meter;
use chrono::{DateTime, Utc};
use clock::Clock;
use ids::{SessionId, UserId};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, Validation};
use tokio::sync::{Notify, watch};

use crate::{Algorithm, Caller, Claims, Denied, ROLE_SERVICE};

/// No access token is longer.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Verified tokens that are remembered; a signature costs about 20 µs to check, a look-up less than one.
const CACHED_TOKENS: u64 = 20_000;
/// Clocks of different machines may be this far apart.
const SKEW_SECONDS: i64 = 5;
/// How long a token with an unknown key waits for the next look at the keys, which are fetched several times a second.
const REFETCH_WAIT: Duration = Duration::from_secs(1);

/// A published key set that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// Not the JSON of RFC 7517.
    #[error("the key set is not a JWK set")]
    Json(#[from] serde_json::Error),
    /// A key of an unknown kind, or without `kid` or `alg`.
    #[error("key {kid:?} of the key set can't be used")]
    Key {
        /// The key's id.
        kid: Option<String>,
    },
}

struct Key {
    decoding: DecodingKey,
    validation: Validation,
}

/// The public keys that tokens are checked with.
#[derive(Default)]
pub struct KeySet {
    json: String,
    keys: HashMap<String, Key>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517), as `/.well-known/jwks.json` shows it.
    ///
    /// # Errors
    /// [`KeyFault`] if any key can't be used.
    pub fn from_json(json: &str) -> Result<Self, KeyFault> {
        let set: JwkSet = serde_json::from_str(json)?;
        let keys = set.keys.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { json: json.to_owned(), keys })
    }
}

fn key(jwk: &Jwk) -> Result<(String, Key), KeyFault> {
    let kid = jwk.common.key_id.clone();
    let algorithm = jwk.common.key_algorithm.and_then(|a| Algorithm::from_name(&a.to_string()));
    let decoding = DecodingKey::from_jwk(jwk).ok();
    let (Some(kid), Some(algorithm), Some(decoding)) = (kid.clone(), algorithm, decoding) else {
        return Err(KeyFault::Key { kid });
    };
    // A key is used with its own algorithm only: "none" and HMAC with the public key as the secret are refused.
    let mut validation = Validation::new(algorithm.into());
    validation.validate_exp = false; // checked against the Clock below
    validation.validate_aud = false; // compared below
    Ok((kid, Key { decoding, validation }))
}

/// Checks tokens of one issuer. Shared by everything in a process that answers calls.
pub struct Verifier {
    clock: Clock,
    issuer: String,
    audience: String,
    keys: RwLock<Arc<KeySet>>,
    revoked: RwLock<HashMap<SessionId, DateTime<Utc>>>,
    /// Counts replacements of the keys: a token is remembered together with the number from before it was checked.
    generation: AtomicU64,
    verified: moka::sync::Cache<[u8; 32], (u64, Caller)>,
    meter: Meter,
    installs: watch::Sender<u64>,
    revocations: watch::Sender<u64>,
    stale: Notify,
}

impl Verifier {
    /// A verifier that knows no keys yet.
    pub fn new(clock: Clock, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            clock,
            issuer: issuer.into(),
            audience: audience.into(),
            keys: RwLock::default(),
            revoked: RwLock::default(),
            generation: AtomicU64::default(),
            verified: moka::sync::Cache::new(CACHED_TOKENS),
            meter: Meter::new("tokens"),
            installs: watch::Sender::new(0),
            revocations: watch::Sender::new(0),
            stale: Notify::new(),
        }
    }

    /// Replaces the public keys by a JWK set. Tokens of keys that are gone are refused from now on.
    ///
    /// # Errors
    /// [`KeyFault`] if the set can't be used; the keys stay as they were.
    pub fn install(&self, jwks: &str) -> Result<(), KeyFault> {
        if self.current_keys().json != jwks {
            let new = Arc::new(KeySet::from_json(jwks)?);
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = new;
            // One that is being checked with the old keys right now is remembered in vain.
            self.generation.fetch_add(1, Ordering::SeqCst);
            self.verified.invalidate_all();
        }
        self.installs.send_modify(|n| *n += 1);
        Ok(())
    }

    /// Refuses every token of a session from now on; `until` is when its last access token has expired.
    pub fn revoke(&self, session: SessionId, until: DateTime<Utc>) {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        if revoked.len() % 1024 == 1023 {
            let now = self.clock.now();
            revoked.retain(|_, until| *until > now);
        }
        let known = revoked.insert(session, until).is_some();
        drop(revoked);
        // The same session is told of again and again where the auth service is asked for what has changed.
        if !known {
            self.revocations.send_modify(|n| *n += 1);
        }
    }

    /// Changes whenever one more session is refused: for what was let in before and goes on.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }

    /// Says that there are other keys than those that are known. Whoever installs them looks at once instead of at its next turn.
    pub fn expect_keys(&self) {
        self.stale.notify_one();
    }

    /// Waits until somebody says that there are other keys: for the one who installs them. It may be dropped.
    pub async fn keys_expected(&self) {
        self.stale.notified().await;
    }

    /// Whether keys have been installed; before that no token can be checked.
    pub fn is_ready(&self) -> bool {
        *self.installs.borrow() > 0
    }

    /// Waits until keys have been installed.
    pub async fn ready(&self) {
        let mut installs = self.installs.subscribe();
        // The sender lives in self, so waiting can't fail.
        let _ = installs.wait_for(|n| *n > 0).await;
    }

    /// Checks an access token.
    ///
    /// # Errors
    /// [`Denied`] says why the token is refused.
    pub async fn verify(&self, token: &str) -> Result<Caller, Denied> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Denied::TokenInvalid);
        }
        let fingerprint: [u8; 32] =
            digest(&SHA256, token.as_bytes()).as_ref().try_into().expect("a SHA-256 has 32 bytes");
        let generation = self.generation.load(Ordering::SeqCst);
        let known = self.verified.get(&fingerprint).filter(|(verified_in, _)| *verified_in == generation);
        if let Some((_, caller)) = known {
            self.meter.hit();
            return self.still_valid(&caller).map(|()| caller);
        }
        self.meter.miss();
        let claims = self.claims(token).await?;
        let caller = self.caller(claims)?;
        self.still_valid(&caller)?;
        self.verified.insert(fingerprint, (generation, caller.clone()));
        Ok(caller)
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.verified.run_pending_tasks();
        self.meter.entries(self.verified.entry_count());
    }

    async fn claims(&self, token: &str) -> Result<Claims, Denied> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::TokenInvalid)?;
        let kid = header.kid.ok_or(Denied::TokenInvalid)?;
        let mut keys = self.current_keys();
        if !keys.keys.contains_key(&kid) {
            self.await_keys().await;
            keys = self.current_keys();
        }
        let key = match keys.keys.get(&kid) {
            Some(key) => key,
            None if self.is_ready() => return Err(Denied::TokenInvalid),
            None => return Err(Denied::KeysUnknown),
        };
        let data =
            jsonwebtoken::decode::<Claims>(token, &key.decoding, &key.validation).map_err(|_| Denied::TokenInvalid)?;
        Ok(data.claims)
    }

    /// Waits for the next look at the keys: a key may be younger than our last one.
    async fn await_keys(&self) {
        let mut installs = self.installs.subscribe();
        installs.mark_unchanged();
        let _ = tokio::time::timeout(REFETCH_WAIT, installs.changed()).await;
    }

    fn caller(&self, claims: Claims) -> Result<Caller, Denied> {
        let now = self.clock.now().timestamp();
        if claims.iss != self.issuer || claims.aud != self.audience || claims.iat > now + SKEW_SECONDS {
            return Err(Denied::TokenInvalid);
        }
        if claims.roles.iter().any(|role| role == ROLE_SERVICE) {
            return Ok(Caller::of_service(claims.sub, claims.exp));
        }
        let user = UserId::parse(&claims.sub).map_err(|_| Denied::TokenInvalid)?;
        let session = claims.sid.as_deref().and_then(|sid| SessionId::parse(sid).ok()).ok_or(Denied::TokenInvalid)?;
        Ok(Caller::of_person(user, session, claims.roles, claims.exp))
    }

    /// Checks a caller again, whose token was good once.
    ///
    /// # Errors
    /// [`Denied`] if the token has expired or its session has ended since.
    pub fn still_valid(&self, caller: &Caller) -> Result<(), Denied> {
        if caller.expires_at() <= self.clock.now().timestamp() {
            return Err(Denied::TokenExpired);
        }
        if let Some(session) = caller.session_id() {
            let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
            if revoked.contains_key(&session) {
                return Err(Denied::TokenRevoked);
            }
        }
        Ok(())
    }

    fn current_keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_looked_at_again_and_each_revocation_is_news_once() {
        let (clock, hands) = Clock::mock(DateTime::from_timestamp(1_000_000, 0).expect("a time"));
        let verifier = Verifier::new(clock.clone(), "nova", "nova");
        let mut news = verifier.revocations();
        let (session, until) = (SessionId::generate(clock.now()), clock.now() + Duration::from_secs(60));
        let mine = Caller::of_person(UserId::generate(clock.now()), session, vec![], until.timestamp());
        let other = SessionId::generate(clock.now());
        let other = Caller::of_person(UserId::generate(clock.now()), other, vec![], until.timestamp());
        for caller in [&mine, &other] {
            assert_eq!(verifier.still_valid(caller), Ok(()));
        }
        assert!(!news.has_changed().expect("the verifier lives"));
        verifier.revoke(session, until);
        assert_eq!((verifier.still_valid(&mine), verifier.still_valid(&other)), (Err(Denied::TokenRevoked), Ok(())));
        assert!(news.has_changed().expect("the verifier lives"));
        news.mark_unchanged();
        verifier.revoke(session, until);
        assert!(!news.has_changed().expect("the verifier lives"), "it was known");
        hands.advance(Duration::from_secs(60));
        assert_eq!(verifier.still_valid(&other), Err(Denied::TokenExpired));
    }
}
