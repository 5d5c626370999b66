//! E-mail verification, and the mails that carry tokens.

use std::time::Duration;

use authn::{Caller, Denied};
use errors::{Class, Classify, common};
use ids::UserId;
use limits::Limited;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::hasher::Overloaded;
use super::{App, audit};
use crate::mail::{Job, Letter, Template};
use crate::model::OpaqueToken;
use crate::model::audit::{Entry, Event, Kind};
use crate::storage::one_time_tokens::{self, Purpose};
use crate::storage::users;

/// No second mail of the same kind goes to a person within this time: anybody may ask for one, and each takes the place of
/// the one before.
const MAIL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Why an e-mail is not verified.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown, used, replaced or too old.
    #[error("the token is not valid any more, ask for a new mail")]
    TokenInvalid,
    /// Done already.
    #[error("the e-mail has been verified already")]
    AlreadyVerified,
    /// Too many tries in a short time.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// Too many mails wait.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// Not the caller's.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::TokenInvalid => Class::precondition(Reason::OneTimeTokenInvalid),
            Self::AlreadyVerified => Class::precondition(Reason::EmailAlreadyVerified),
            Self::Limited(limited) => limited.class(),
            Self::Overloaded(_) => Class::limited(common::OVERLOADED, Duration::from_secs(1)),
            Self::Denied(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Has a verification mail sent.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn send_email_verification(&self, caller: &Caller, user: UserId) -> Result<(), Error> {
        if caller.user_id() != Some(user) {
            return Err(Denied::NotYours.into());
        }
        let account = users::find_user(&mut *self.pg.conn().await?, user).await?.ok_or(Denied::TokenRevoked)?;
        if account.email_verified {
            return Err(Error::AlreadyVerified);
        }
        Ok(self.mails.push(Job::EmailVerification { user })?)
    }

    /// Marks an e-mail as verified.
    #[instrument(skip_all)]
    pub async fn verify_email(&self, token: OpaqueToken) -> Result<(), Error> {
        let now = self.clock.now();
        let (purpose, hash) = (Purpose::EmailVerification, token.hash());
        self.limiter.admit_account("VerifyEmail", hash.as_bytes()).await?;
        let mut tx = self.pg.begin().await?;
        let Some(user) = one_time_tokens::find_owner(&mut tx, purpose, &hash, now).await? else {
            drop(tx);
            let refused = Event::anonymous(Kind::EmailVerification).refused(Reason::OneTimeTokenInvalid);
            self.record_refusal(Kind::EmailVerification, refused).await?;
            return Err(Error::TokenInvalid);
        };
        users::lock_for_change(&mut tx, user).await?.ok_or(Error::TokenInvalid)?;
        users::set_email_verified(&mut tx, user, now).await?;
        if !one_time_tokens::use_token(&mut tx, purpose, &hash, now).await? {
            return Err(Error::TokenInvalid);
        }
        self.commit(tx, [Event::of_person(Kind::EmailVerification, user)]).await?;
        tracing::info!(user.id = %user, "user {user} verified their e-mail");
        Ok(())
    }

    /// Writes the mail that a job asks for and stores its token. Nothing if there is nobody to write to, or the person has
    /// been written to a moment ago.
    pub(crate) async fn letter(&self, job: &Job) -> Result<Option<Letter>, pg::Error> {
        self.step(self.write_letter(job)).await
    }

    async fn write_letter(&self, job: &Job) -> Result<Option<Letter>, pg::Error> {
        let mut tx = self.pg.begin().await?;
        let (account, purpose, life, template) = match job {
            Job::PasswordReset { email, .. } => {
                let account = users::find_user_by_email(&mut tx, &email.folded()).await?;
                (account, Purpose::PasswordReset, self.config.mail.reset_ttl, Template::PasswordReset)
            }
            Job::EmailVerification { user } => {
                let account = users::find_user(&mut tx, *user).await?.filter(|account| !account.email_verified);
                (account, Purpose::EmailVerification, self.config.mail.verification_ttl, Template::EmailVerification)
            }
        };
        let Some(account) = account else { return Ok(None) };
        let token = OpaqueToken::generate();
        let now = self.clock.now();
        let (hash, made_before) = (token.hash(), now - MAIL_AGAIN_AFTER);
        let is_due =
            one_time_tokens::replace_token(&mut tx, account.id, purpose, &hash, now, now + life, made_before).await?;
        if let (true, Job::PasswordReset { origin, .. }) = (is_due, job) {
            let event = Event::anonymous(Kind::PasswordResetRequest).on(account.id);
            audit::append(&mut tx, self.audit.key(), &[Entry::new(event, origin, now)]).await?;
        }
        tx.commit().await?;
        Ok(is_due.then(|| template.write(&account, &token, life, &self.config.mail.public_url)))
    }
}
