//! Changing a password that one knows, and setting one that one has forgotten.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::App;
use super::attempts::{self, Target};
use super::hasher::{HashError, Overloaded};
use crate::mail::Job;
use crate::model::{Email, NewPassword, OpaqueToken, Password};
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
        let ChangePassword { user, current, new } = change;
        if caller.user_id() != Some(user) {
            return Err(Denied::NotYours.into()); // not even an administrator: it takes the password
        }
        let attempt = self.attempt(Target::Own(user)).await?;
        let compared = attempt.password_hash.clone();
        let (verdict, slot) = self.hasher.verify(attempt.slot, current, compared.clone()).await?;
        let (Some(compared), true) = (compared, verdict.is_right) else {
            return Err(attempts::Error::InvalidCredentials.into());
        };
        let new_hash = self.hasher.hash(slot, new.into_password()).await?;

        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        users::lock_for_change(&mut tx, user).await?.ok_or(Denied::TokenRevoked)?;
        if !credentials::clear_attempts(&mut tx, user, None, &compared, None).await? {
            return Err(attempts::Error::InvalidCredentials.into());
        }
        credentials::set_password(&mut tx, user, &new_hash, now).await?;
        one_time_tokens::delete_token(&mut tx, user, Purpose::PasswordReset).await?;
        users::touch(&mut tx, user, now).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, caller.session_id(), now).await?;
        tx.commit().await?;
        self.revoked(ended, now);
        tracing::info!(user.id = %user, "user {user} changed their password");
        Ok(())
    }

    /// Has a reset mail sent if an account has this e-mail. Whether one has is found out later, so that the answer takes
    /// the same time.
    pub fn request_password_reset(&self, email: Email) -> Result<(), Error> {
        Ok(self.mails.push(Job::PasswordReset { email })?)
    }

    /// Sets a password with the token of a reset mail.
    #[instrument(skip_all)]
    pub async fn reset_password(&self, token: OpaqueToken, new: NewPassword) -> Result<(), Error> {
        let purpose = Purpose::PasswordReset;
        let hash = token.hash();
        let find = async |now| one_time_tokens::find_owner(&mut *self.pg.conn().await?, purpose, &hash, now).await;
        // A guess is not worth a hash.
        let user = find(self.clock.now()).await?.ok_or(Error::TokenInvalid)?;
        let slot = self.hasher.slot().await?;
        let new_hash = self.hasher.hash(slot, new.into_password()).await?;

        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        users::lock_for_change(&mut tx, user).await?.ok_or(Error::TokenInvalid)?;
        users::set_email_verified(&mut tx, user, now).await?;
        credentials::set_password(&mut tx, user, &new_hash, now).await?;
        if !one_time_tokens::use_token(&mut tx, purpose, &hash, now).await? {
            return Err(Error::TokenInvalid);
        }
        users::touch(&mut tx, user, now).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, None, now).await?;
        tx.commit().await?;
        self.revoked(ended, now);
        tracing::info!(user.id = %user, "user {user} set a new password by mail");
        Ok(())
    }
}
