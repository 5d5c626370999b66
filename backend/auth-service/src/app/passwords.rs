//! Changing a password that one knows, and setting one that one has forgotten.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::UserId;
use limits::Limited;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::App;
use super::attempts::{self, Attempt, OwnProof, Target};
use super::audit;
use super::hasher::{HashError, Overloaded, Slot};
use crate::mail::Job;
use crate::model::audit::{Event, Kind};
use crate::model::{Email, NewPassword, OpaqueToken, Password, TokenHash};
use crate::storage::one_time_tokens::{self, Purpose};
use crate::storage::{credentials, sessions, users};

/// What a person gives to change their password.
pub struct ChangePassword {
    /// Whose.
    pub user: UserId,
    /// The password so far.
    pub current: Password,
    /// The password from now on.
    pub new: NewPassword,
}

/// Why a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown, used, replaced or too old.
    #[error("the token is not valid any more, ask for a new mail")]
    TokenInvalid,
    /// Not the caller's.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Wrong, locked or too many at once.
    #[error(transparent)]
    Attempt(#[from] attempts::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        Self::Attempt(error.into())
    }
}

impl From<Overloaded> for Error {
    fn from(error: Overloaded) -> Self {
        Self::Attempt(error.into())
    }
}

impl From<Limited> for Error {
    fn from(limited: Limited) -> Self {
        Self::Attempt(limited.into())
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::TokenInvalid => Class::precondition(Reason::OneTimeTokenInvalid),
            Self::Denied(error) => error.class(),
            Self::Attempt(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Changes a password. The person's other sessions end: who knew the old one may hold one of them.
    #[instrument(skip_all, fields(user.id = %change.user))]
    pub async fn change_password(&self, caller: &Caller, change: ChangePassword) -> Result<(), Error> {
        let user = change.user;
        if caller.user_id() != Some(user) {
            return Err(Denied::NotYours.into()); // not even an administrator: it takes the password
        }
        let target = Target::own(caller, user, OwnProof::Password);
        let event = Event::by(caller, Kind::PasswordChange).on(user);
        let Attempt { slot, password_hash, tried, turn: _turn } = self.attempt(target, event.clone()).await?;
        let outcome = self.try_change(caller, change, target, (slot, password_hash), event).await;
        match &outcome {
            Ok(()) => tried.succeeded(),
            Err(Error::Attempt(attempts::Error::InvalidCredentials)) => {
                tried.failed(target.aim(), Reason::InvalidCredentials).await?;
            }
            Err(_) => drop(tried),
        }
        outcome
    }

    async fn try_change(
        &self,
        caller: &Caller,
        change: ChangePassword,
        target: Target,
        (slot, compared): (Slot, Option<String>),
        event: Event,
    ) -> Result<(), Error> {
        let ChangePassword { user, current, new } = change;
        let (verdict, slot) = self.hasher.verify(slot, current, compared.clone()).await?;
        let (Some(compared), true) = (compared, verdict.is_right) else {
            return Err(attempts::Error::InvalidCredentials.into());
        };
        let new_hash = self.hasher.hash(slot, new.into_password()).await?;

        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        users::lock_for_change(&mut tx, user).await?.ok_or(Denied::TokenRevoked)?;
        let was_locked = credentials::is_locked(&mut tx, user, now).await?;
        if !credentials::clear_attempts(&mut tx, user, Some(target.counter()), &compared, None).await? {
            drop(tx);
            // It was right when it was compared.
            self.refund(&target).await?;
            return Err(attempts::Error::InvalidCredentials.into());
        }
        credentials::set_password(&mut tx, user, &new_hash, now).await?;
        one_time_tokens::delete_token(&mut tx, user, Purpose::PasswordReset).await?;
        users::touch(&mut tx, user, now).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, caller.session_id(), now).await?;
        let unlock = was_locked.then(|| Event { kind: Kind::Unlock, ..event.clone() });
        let audited = [event.with("sessions_ended", ended.len())].into_iter().chain(unlock);
        self.commit_and_tell(tx, audited, self.ended(user, &ended, now)).await?;
        self.revoked(ended, now);
        tracing::info!(user.id = %user, "user {user} changed their password");
        Ok(())
    }

    /// Has a reset mail sent if an account has this e-mail. Whether one has is found out later, so that the answer takes
    /// the same time.
    pub async fn request_password_reset(&self, email: Email) -> Result<(), Error> {
        let account = TokenHash::of(email.folded().as_bytes());
        self.limiter.admit_account("RequestPasswordReset", account.as_bytes()).await?;
        Ok(self.mails.push(Job::PasswordReset { email, origin: audit::origin() })?)
    }

    /// Sets a password with the token of a reset mail.
    #[instrument(skip_all)]
    pub async fn reset_password(&self, token: OpaqueToken, new: NewPassword) -> Result<(), Error> {
        let purpose = Purpose::PasswordReset;
        let hash = token.hash();
        self.limiter.admit_account("ResetPassword", hash.as_bytes()).await?;
        let find = async |now| one_time_tokens::find_owner(&mut *self.pg.conn().await?, purpose, &hash, now).await;
        // A guess is not worth a hash.
        let Some(user) = find(self.clock.now()).await? else {
            let refused = Event::anonymous(Kind::PasswordReset).refused(Reason::OneTimeTokenInvalid);
            self.record_refusal(Kind::PasswordReset, refused).await?;
            return Err(Error::TokenInvalid);
        };
        let slot = self.hasher.slot().await?;
        let new_hash = self.hasher.hash(slot, new.into_password()).await?;

        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        users::lock_for_change(&mut tx, user).await?.ok_or(Error::TokenInvalid)?;
        users::set_email_verified(&mut tx, user, now).await?;
        let was_locked = credentials::is_locked(&mut tx, user, now).await?;
        credentials::set_password(&mut tx, user, &new_hash, now).await?;
        if !one_time_tokens::use_token(&mut tx, purpose, &hash, now).await? {
            return Err(Error::TokenInvalid);
        }
        users::touch(&mut tx, user, now).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, None, now).await?;
        let event = Event::of_person(Kind::PasswordReset, user).with("sessions_ended", ended.len());
        let unlock = was_locked.then(|| Event::of_person(Kind::Unlock, user));
        self.commit_and_tell(tx, [event].into_iter().chain(unlock), self.ended(user, &ended, now)).await?;
        self.revoked(ended, now);
        tracing::info!(user.id = %user, "user {user} set a new password by mail");
        Ok(())
    }
}
