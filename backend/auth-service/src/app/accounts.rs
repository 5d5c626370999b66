//! Deleting accounts.

use authn::{Caller, Denied};
use errors::{Class, Classify, FieldViolation};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::App;
use super::attempts::{self, Attempt, OwnProof, Target};
use super::audit::Tried;
use super::hasher::HashError;
use super::outbox;
use crate::model::Password;
use crate::model::audit::{Event, Kind};
use crate::storage::profile_sync::Pending;
use crate::storage::{credentials, roles, sessions, users};

/// Why an account is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There never was one.
    #[error("user {0} not found")]
    NotFound(UserId),
    /// Nobody could administer any more.
    #[error("the last administrator can't be deleted, make another one first")]
    LastAdmin,
    /// The person's own password is needed.
    #[error("password: must be given to delete one's own account")]
    PasswordMissing,
    /// Neither the caller's nor is the caller an administrator.
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

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("user", id, Reason::UserNotFound),
            Self::LastAdmin => Class::precondition(Reason::LastAdmin),
            Self::PasswordMissing => Class::invalid(vec![FieldViolation::new("password", "must be given")]),
            Self::Denied(error) => error.class(),
            Self::Attempt(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Deletes an account: the person with their password, an administrator without it.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn delete_account(&self, caller: &Caller, user: UserId, password: Option<Password>) -> Result<(), Error> {
        let is_own = caller.user_id() == Some(user);
        if !is_own {
            caller.must_be_admin()?;
        }
        let event = Event::by(caller, Kind::AccountDeletion).on(user);
        let target = Target::own(caller, user, OwnProof::Password);
        let compared = match (is_own, password) {
            (true, Some(password)) => Some(self.compare(target, password, event.clone()).await?),
            (true, None) => return Err(Error::PasswordMissing),
            (false, _) => None,
        };
        let (compared_hash, tried) = compared.unzip();
        let outcome = self.delete(user, compared_hash, event).await;
        match (&outcome, tried) {
            (Ok(()), Some(tried)) => tried.succeeded(),
            (Err(Error::Attempt(attempts::Error::InvalidCredentials)), Some(tried)) => {
                tried.failed(target.aim(), Reason::InvalidCredentials).await?;
            }
            (Err(Error::LastAdmin), Some(tried)) => tried.failed(target.aim(), Reason::LastAdmin).await?,
            (_, tried) => drop(tried),
        }
        outcome
    }

    async fn delete(&self, user: UserId, compared_hash: Option<String>, event: Event) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let Some(account) = users::lock_for_change(&mut tx, user).await? else {
            let was_deleted = users::deleted_at(&mut tx, user).await?.is_some();
            return if was_deleted { Ok(()) } else { Err(Error::NotFound(user)) };
        };
        if roles::is_last_admin(&mut tx, user).await? {
            return Err(Error::LastAdmin);
        }
        if let Some(hash) = compared_hash
            && !credentials::clear_attempts(&mut tx, user, None, &hash, None).await?
        {
            return Err(attempts::Error::InvalidCredentials.into());
        }
        users::delete_user(&mut tx, user, now, self.profiles.retry_at(now)).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, None, now).await?;
        let told = self.ended(user, &ended, now).into_iter().chain([outbox::deleted(user, now)]);
        self.commit_and_tell(tx, [event.with("sessions_ended", ended.len())], told).await?;
        self.revoked(ended, now);
        self.metrics.deleted();
        tracing::info!(user.id = %user, "account {user} deleted");
        let profile =
            Pending { user, username: account.username, display_name: None, created_at: now, deleted_at: Some(now) };
        self.sync_profile(&profile).await;
        Ok(())
    }

    /// Checks the person's password; returns the hash that it was compared with.
    async fn compare(&self, target: Target, password: Password, event: Event) -> Result<(String, Tried), Error> {
        let Attempt { slot, password_hash: compared, tried, turn: _turn } = self.attempt(target, event).await?;
        let (verdict, _slot) = self.hasher.verify(slot, password, compared.clone()).await?;
        match (compared, verdict.is_right) {
            (Some(compared), true) => Ok((compared, tried)),
            _ => {
                tried.failed(target.aim(), Reason::InvalidCredentials).await?;
                Err(attempts::Error::InvalidCredentials.into())
            }
        }
    }
}
