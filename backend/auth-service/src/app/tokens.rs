//! Access tokens: made, checked, and what other services need to check them by themselves.

use std::time::Duration;

use authn::{Caller, Claims, Denied};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};
use errors::{Class, Classify};
use ids::{SessionId, UserId};
use pg::page::{Binding, Limits, Page, PageError};
use protos::auth::v1::ErrorReason as Reason;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{App, keyring};
use crate::model::audit::{Actor, Event, Kind};
use crate::model::keys::PublicJwk;
use crate::model::{RefreshToken, TokenHash, User, role};
use crate::storage::sessions::{self, NewSession, Revoked};
use crate::storage::{service_clients, users};

/// Consecutive answers about revoked sessions overlap by this much: a transaction may commit later than another that began
/// after it, and the clocks of replicas differ.
pub(super) const OVERLAP: Duration = Duration::from_secs(15);
/// Revoked sessions in one answer; 40 bytes each.
const REVOKED_LIMIT: Limits = Limits { default: 10_000, max: 10_000 };

/// Why a token is not issued.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client has this id with this secret.
    #[error("the client id or the client secret is wrong")]
    ClientCredentials,
    /// The caller may not know.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The page token is of no use.
    #[error(transparent)]
    Page(#[from] PageError),
    /// No key to sign with.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::ClientCredentials => Class::unauthenticated(Reason::ClientCredentialsInvalid),
            Self::Denied(error) => error.class(),
            Self::Page(error) => error.class(),
            Self::Keys(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl Classify for keyring::Error {
    fn class(&self) -> Class {
        match self {
            Self::Pg(error) => error.class(),
            Self::NoKey | Self::Sealed { .. } | Self::Seal(_) | Self::Key(_) | Self::CutOff(_) => Class::internal(),
        }
    }
}

/// What a client gets at log-in and refresh.
pub struct Tokens {
    /// For calls.
    pub access: SecretString,
    /// For one refresh.
    pub refresh: RefreshToken,
    /// Life of the access token.
    pub expires_in: Duration,
    /// Their session.
    pub session: SessionId,
}

/// What there is to say of an access token.
#[derive(Default)]
pub struct Verified {
    /// Whether it is good right now.
    pub valid: bool,
    /// The person, if it is a valid token of one.
    pub user: Option<User>,
    /// The service, if it is a valid token of one.
    pub client_id: Option<String>,
    /// Roles that it carries, if it is valid.
    pub roles: Vec<String>,
    /// Its session, if Nova signed it.
    pub session: Option<SessionId>,
    /// When it expires or did, if Nova signed it.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether its session has been ended.
    pub revoked: bool,
}

/// Public keys, and sessions that have been revoked.
pub struct TokenState {
    /// What to ask with next time.
    pub as_of: DateTime<Utc>,
    /// Public keys.
    pub keys: Vec<PublicJwk>,
    /// Revoked sessions, oldest first.
    pub revoked: Vec<Revoked>,
    /// Token of the next page, if any.
    pub next_page_token: String,
}

impl App {
    /// A session to open, and its first refresh token.
    pub(super) fn new_session<'a>(
        &self,
        user: UserId,
        device_name: &'a str,
        now: DateTime<Utc>,
    ) -> (NewSession<'a>, RefreshToken) {
        let id = SessionId::generate(now);
        let refresh = self.refresh_key.first(id);
        let session = NewSession {
            id,
            user,
            device_name,
            refresh_hash: refresh.hash(),
            expires_at: now + self.config.tokens.refresh_ttl,
        };
        (session, refresh)
    }

    /// Signs a person's access token, to go with a refresh token.
    pub(super) fn tokens_for(
        &self,
        user: UserId,
        session: SessionId,
        granted: Vec<String>,
        refresh: RefreshToken,
        now: DateTime<Utc>,
    ) -> Result<Tokens, keyring::Error> {
        let access = self.keyring.person_token(user, session, role::with_user(granted), now)?;
        Ok(Tokens { access, refresh, expires_in: self.config.tokens.access_ttl, session })
    }

    /// Gives a service its access token.
    pub async fn issue_service_token(
        &self,
        client_id: &str,
        client_secret: SecretString,
    ) -> Result<(SecretString, Duration), Error> {
        let presented = TokenHash::of(client_secret.expose_secret().as_bytes());
        let mut conn = self.pg.conn().await?;
        let stored = service_clients::find_secret_hash(&mut conn, client_id).await?;
        drop(conn);
        // Hashes are compared, so the time says nothing of the secret; an unknown client takes as long all the same.
        let expected = stored.as_deref().unwrap_or(&[0; 32]);
        let is_right = verify_slices_are_equal(expected, presented.as_slice()).is_ok();
        if stored.is_none() || !is_right {
            let refused = Event::anonymous(Kind::ServiceToken).refused(Reason::ClientCredentialsInvalid);
            // A client that is not there was typed by somebody.
            let refused = if stored.is_some() { refused.with("client_id", client_id) } else { refused };
            self.record_refusal(client_id, refused).await?;
            return Err(Error::ClientCredentials);
        }
        let token = self.keyring.service_token(client_id, self.clock.now())?;
        self.record([Event::new(Kind::ServiceToken, Actor::Service(client_id.to_owned()))]).await?;
        Ok((token, self.config.tokens.access_ttl))
    }

    /// Says whether a token is good right now: asks the table, not only what this process knows of.
    pub async fn verify_token(&self, caller: &Caller, token: &str) -> Result<Verified, Error> {
        caller.must_be_service()?;
        let (checked, signed) = match self.verifier.verify(token).await {
            Ok(checked) => (Some(checked), None),
            Err(Denied::KeysUnknown) => return Err(Denied::KeysUnknown.into()),
            // These two are found after the signature has been checked, so what the token says is true.
            Err(Denied::TokenExpired | Denied::TokenRevoked) => (None, claims_of(token)),
            Err(Denied::TokenMissing | Denied::TokenInvalid | Denied::NotYours | Denied::NotThatService) => {
                return Ok(Verified::default());
            }
        };
        let session = match (&checked, &signed) {
            (Some(checked), _) => checked.session_id(),
            (None, signed) => {
                signed.as_ref().and_then(|claims| claims.sid.as_deref()).and_then(|sid| SessionId::parse(sid).ok())
            }
        };
        let expires_at = checked.as_ref().map(Caller::expires_at).or(signed.map(|claims| claims.exp));
        let expires_at = expires_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let mut verified = Verified { session, expires_at, ..Verified::default() };
        let Some(checked) = checked else {
            verified.revoked = match session {
                Some(session) => sessions::is_revoked(&mut *self.pg.conn().await?, session).await?,
                None => false,
            };
            return Ok(verified);
        };
        if let (Some(user), Some(session)) = (checked.user_id(), session) {
            let mut conn = self.pg.conn().await?;
            verified.revoked = sessions::is_revoked(&mut conn, session).await?;
            verified.user = users::find_user(&mut conn, user).await?.filter(|user| user.active && !verified.revoked);
            verified.valid = verified.user.is_some();
        } else {
            verified.client_id = checked.client_id().map(str::to_owned);
            verified.valid = true;
        }
        if verified.valid {
            verified.roles = checked.roles().to_vec();
        }
        Ok(verified)
    }

    /// What a service needs to check tokens by itself.
    pub async fn token_state(
        &self,
        caller: &Caller,
        since: Option<DateTime<Utc>>,
        page_token: &str,
    ) -> Result<TokenState, Error> {
        caller.must_be_service()?;
        let binding = since.map_or_else(|| "all".to_owned(), clock::rfc3339);
        let binding = Binding::new("GetTokenState").arg(binding);
        let page: Page<(i64, Uuid)> = Page::parse(REVOKED_LIMIT, 0, 0, page_token, binding)?;
        let after = match page.after() {
            Some((micros, id)) => Some((time_of(*micros).ok_or(PageError::Token)?, *id)),
            None => None,
        };
        // Before the table is read: what is revoked meanwhile is told next time.
        let as_of = self.clock.now();
        let oldest = as_of - self.config.tokens.access_ttl;
        let since = since.map_or(oldest, |since| since.max(oldest)) - OVERLAP;
        let mut conn = self.pg.conn().await?;
        let revoked = sessions::list_revoked(&mut conn, since, after, page.fetch()).await?;
        let (revoked, next_page_token) = page.finish(revoked, |row| (row.revoked_at.timestamp_micros(), row.id));
        Ok(TokenState { as_of, keys: self.keyring.public(), revoked, next_page_token })
    }
}

/// The time of a page token, if it is one that we could have written: a forged one may be beyond what the database holds.
fn time_of(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|time| (1970..=9999).contains(&time.year()))
}

/// What a token says, without a look at its signature.
fn claims_of(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
