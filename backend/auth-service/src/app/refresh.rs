//! Exchanging a refresh token for its successor.

use chrono::{DateTime, Utc};
use errors::{Class, Classify};
use ids::{SessionId, UserId};
use limits::Limited;
use pg::Tx;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::{App, Tokens, keyring};
use crate::model::audit::{Event, Kind};
use crate::model::opaque::random_bytes;
use crate::model::{RefreshToken, TokenHash};
use crate::storage::refresh_tokens::{self, Exchange, Presented};
use crate::storage::sessions;

/// Why tokens are not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not ours, or forgotten.
    #[error("the refresh token is not valid")]
    Invalid,
    /// Too old.
    #[error("the refresh token has expired, log in again")]
    Expired,
    /// Used before, and not a moment ago.
    #[error("the refresh token had been used before, so the session has been ended")]
    Reused,
    /// The session has ended.
    #[error("the session has ended, log in again")]
    Revoked,
    /// The account may not be used.
    #[error("the account has been disabled")]
    Disabled,
    /// Too many in a short time.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// Signing the tokens.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Invalid => Class::unauthenticated(Reason::RefreshTokenInvalid),
            Self::Expired => Class::unauthenticated(Reason::RefreshTokenExpired),
            Self::Reused => Class::unauthenticated(Reason::RefreshTokenReused),
            Self::Revoked => Class::unauthenticated(Reason::TokenRevoked),
            Self::Disabled => Class::denied(Reason::AccountDisabled),
            Self::Limited(limited) => limited.class(),
            Self::Keys(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Exchanges a token. The row lock makes parallel ones with the same token take turns: the first makes the successor,
    /// the others get the same.
    #[instrument(skip_all)]
    pub async fn refresh(&self, token: RefreshToken) -> Result<Tokens, Error> {
        let outcome = self.try_refresh(token).await;
        self.metrics.refreshed(match &outcome {
            Ok(_) => "ok",
            Err(Error::Reused) => "reused",
            Err(Error::Invalid | Error::Expired | Error::Revoked | Error::Disabled | Error::Limited(_)) => "refused",
            Err(Error::Keys(_) | Error::Pg(_)) => "error",
        });
        outcome
    }

    async fn try_refresh(&self, token: RefreshToken) -> Result<Tokens, Error> {
        if !self.refresh_key.made(&token) {
            return Err(Error::Invalid);
        }
        // Its tag is right, so its session is no stranger's to name.
        let session = TokenHash::of(token.session().uuid().as_bytes());
        self.limiter.admit_account("RefreshToken", session.as_bytes()).await?;
        let mut tx = self.pg.begin().await?;
        let Some(presented) = refresh_tokens::lock_token(&mut tx, &token.hash()).await? else {
            return self.judge_forgotten(tx, token.session()).await;
        };
        // After the wait for the lock: a repeat is measured from when the first one was done.
        let now = self.clock.now();
        if presented.session_revoked || presented.deleted {
            return Err(Error::Revoked);
        }
        if !presented.active {
            return Err(Error::Disabled);
        }
        let (successor, granted) = match &presented.used {
            None if presented.expires_at <= now => return Err(Error::Expired),
            None => self.exchange(&mut tx, &token, &presented, now).await?,
            Some((used_at, salt)) if now - self.config.tokens.refresh_grace <= *used_at => {
                let granted = refresh_tokens::find_roles(&mut tx, presented.session).await?.ok_or(Error::Revoked)?;
                (self.refresh_key.successor(&token, salt), granted)
            }
            Some(_) => return self.end_reused(tx, presented.user, presented.session, now).await,
        };
        tx.commit().await?;
        Ok(self.tokens_for(presented.user, presented.session, granted, successor, now)?)
    }

    async fn exchange(
        &self,
        tx: &mut Tx,
        token: &RefreshToken,
        presented: &Presented,
        now: DateTime<Utc>,
    ) -> Result<(RefreshToken, Vec<String>), Error> {
        let salt = random_bytes::<32>();
        let successor = self.refresh_key.successor(token, &salt);
        let exchange = Exchange {
            used: &token.hash(),
            salt: &salt,
            successor: &successor.hash(),
            expires_at: now + self.config.tokens.refresh_ttl,
            session: presented.session,
        };
        let granted = refresh_tokens::exchange(tx, &exchange, now).await?.ok_or(Error::Revoked)?;
        Ok((successor, granted))
    }

    /// A token that we made and that is in no row any more: used long ago, or expired with its session.
    async fn judge_forgotten<T>(&self, mut tx: Tx, session: SessionId) -> Result<T, Error> {
        let now = self.clock.now();
        match sessions::find_standing(&mut tx, session).await? {
            None => Err(Error::Invalid),
            Some(standing) if standing.revoked => Err(Error::Revoked),
            Some(standing) if standing.expires_at <= now => Err(Error::Expired),
            Some(standing) => self.end_reused(tx, standing.user, session, now).await,
        }
    }

    /// Somebody else has or had this token: nobody goes on with the session.
    async fn end_reused<T>(
        &self,
        mut tx: Tx,
        user: UserId,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<T, Error> {
        let is_ended = sessions::revoke_session(&mut tx, session, now).await?;
        let event = Event::anonymous(Kind::RefreshTokenReuse).on(user).in_session(session);
        let told = if is_ended { self.ended(user, &[session], now) } else { vec![] };
        self.commit_and_tell(tx, [event.refused(Reason::RefreshTokenReused)], told).await?;
        self.revoked([session], now);
        tracing::warn!(user.id = %user, session.id = %session, "session {session} ended: a refresh token came a second time");
        Err(Error::Reused)
    }
}
