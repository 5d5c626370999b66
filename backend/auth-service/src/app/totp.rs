//! The second factor: enrolling, proving, removing.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use tracing::instrument;

use super::App;
use super::attempts::{self, Attempt, OwnProof, Target};
use crate::model::TokenHash;
use crate::model::audit::{Event, Kind};
use crate::model::totp::{self as rules, Enrollment, SecretError};
use crate::storage::totp::{self, Factor};
use crate::storage::{login_failures, users};

/// Why something about the second factor is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The password is right, and a code is needed besides.
    #[error("the account has a second factor, a code is needed")]
    Required,
    /// The code is wrong or was used.
    #[error("the code is wrong or has been used")]
    Invalid,
    /// There is one already.
    #[error("the account has a second factor already")]
    AlreadyEnabled,
    /// There is none.
    #[error("the account has no second factor")]
    NotEnabled,
    /// There is nothing to confirm.
    #[error("no enrolment has been begun")]
    NotStarted,
    /// Locked or too many at once.
    #[error(transparent)]
    Attempt(#[from] attempts::Error),
    /// The caller is no person, or their account is gone.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The stored secret can't be opened.
    #[error("the secret of the second factor can't be sealed or opened")]
    Sealed(#[from] sealing::Error),
    /// The stored secret is damaged.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Required => Class::unauthenticated(Reason::TotpRequired),
            Self::Invalid => Class::unauthenticated(Reason::TotpInvalid),
            Self::AlreadyEnabled => Class::precondition(Reason::TotpAlreadyEnabled),
            Self::NotEnabled => Class::precondition(Reason::TotpNotEnabled),
            Self::NotStarted => Class::precondition(Reason::TotpNotStarted),
            Self::Attempt(error) => error.class(),
            Self::Denied(error) => error.class(),
            Self::Sealed(_) | Self::Secret(_) => Class::internal(),
            Self::Pg(error) => error.class(),
        }
    }
}

/// A right code that has not been used up yet.
pub(super) enum Proof {
    Step(i64),
    Recovery(TokenHash),
}

impl Proof {
    /// What was shown, as the audit log has it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Step(_) => "totp",
            Self::Recovery(_) => "recovery_code",
        }
    }

    /// Uses the code up, so that it proves nothing again.
    pub(super) async fn use_up(self, conn: &mut PgConnection, user: UserId) -> Result<(), Error> {
        let is_fresh = match self {
            Self::Step(step) => totp::use_step(conn, user, step).await?,
            Self::Recovery(hash) => totp::use_recovery_code(conn, user, &hash).await?,
        };
        if is_fresh { Ok(()) } else { Err(Error::Invalid) }
    }
}

fn context(user: UserId) -> Vec<u8> {
    format!("totp:{user}").into_bytes()
}

impl App {
    /// A person's second factor, if it is in force.
    pub(super) async fn second_factor(&self, user: UserId) -> Result<Option<Factor>, pg::Error> {
        let mut conn = self.pg.conn().await?;
        Ok(totp::find_factor(&mut conn, user).await?.filter(|factor| factor.confirmed))
    }

    /// Checks a code of the app, or a recovery code.
    pub(super) async fn prove(&self, user: UserId, factor: &Factor, code: &SecretString) -> Result<Proof, Error> {
        let code = code.expose_secret();
        let secret = self.master.open(&context(user), &factor.secret_sealed)?;
        if let Some(step) = rules::accepted_step(&secret, code, factor.last_step, self.clock.now())? {
            return Ok(Proof::Step(step));
        }
        let hash = rules::recovery_hash(user, code).ok_or(Error::Invalid)?;
        let mut conn = self.pg.conn().await?;
        if totp::has_recovery_code(&mut conn, user, &hash).await? {
            Ok(Proof::Recovery(hash))
        } else {
            Err(Error::Invalid)
        }
    }

    /// Makes a secret that waits for confirmation.
    #[instrument(skip_all)]
    pub async fn begin_totp_enrollment(&self, caller: &Caller) -> Result<Enrollment, Error> {
        let user = caller.person()?;
        let secret = rules::new_secret();
        let sealed = self.master.seal(&context(user), &secret)?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let account = users::lock_for_tokens(&mut tx, user).await?.ok_or(Denied::TokenRevoked)?;
        if !totp::upsert_pending(&mut tx, user, &sealed, now).await? {
            return Err(Error::AlreadyEnabled);
        }
        self.commit(tx, [Event::by(caller, Kind::TotpEnrollment).on(user)]).await?;
        Ok(rules::enrollment(&secret, &self.config.totp.issuer, &account.username)?)
    }

    /// Puts the secret into force. Returns the recovery codes.
    #[instrument(skip_all)]
    pub async fn confirm_totp(&self, caller: &Caller, code: SecretString) -> Result<Vec<String>, Error> {
        let user = caller.person()?;
        self.pending_factor(user).await?;
        let target = Target::own(caller, user, OwnProof::Code);
        let event = Event::by(caller, Kind::TotpConfirmation).on(user);
        let Attempt { tried, slot: _slot, turn: _turn, .. } = self.attempt(target, event.clone()).await?;
        let outcome = self.try_confirm(user, code, target, event).await;
        match &outcome {
            Ok(_) => tried.succeeded(),
            Err(Error::Invalid) => tried.failed(target.aim(), Reason::TotpInvalid).await?,
            Err(error @ (Error::NotStarted | Error::AlreadyEnabled)) => {
                self.refund(&target).await?;
                let reason = match error {
                    Error::NotStarted => Reason::TotpNotStarted,
                    _ => Reason::TotpAlreadyEnabled,
                };
                tried.taken_back(target.aim(), reason).await?;
            }
            Err(_) => drop(tried),
        }
        outcome
    }

    /// A secret that waits for confirmation.
    async fn pending_factor(&self, user: UserId) -> Result<Factor, Error> {
        let factor = totp::find_factor(&mut *self.pg.conn().await?, user).await?.ok_or(Error::NotStarted)?;
        if factor.confirmed { Err(Error::AlreadyEnabled) } else { Ok(factor) }
    }

    async fn try_confirm(
        &self,
        user: UserId,
        code: SecretString,
        target: Target,
        event: Event,
    ) -> Result<Vec<String>, Error> {
        // Read again: while it waited, its turn may have come after another's that confirmed it.
        let factor = self.pending_factor(user).await?;
        let now = self.clock.now();
        let secret = self.master.open(&context(user), &factor.secret_sealed)?;
        let step = rules::accepted_step(&secret, code.expose_secret(), factor.last_step, now)?.ok_or(Error::Invalid)?;
        let codes = rules::new_recovery_codes();
        let hashes: Vec<TokenHash> = codes.iter().filter_map(|code| rules::recovery_hash(user, code)).collect();

        let mut tx = self.pg.begin().await?;
        users::lock_for_change(&mut tx, user).await?.ok_or(Denied::TokenRevoked)?;
        login_failures::forget(&mut tx, target.counter()).await?;
        // Of two that confirm at once, or one that begins anew meanwhile, this one comes too late.
        if !totp::confirm(&mut tx, user, &factor.secret_sealed, step, now).await? {
            return Err(Error::NotStarted);
        }
        totp::replace_recovery_codes(&mut tx, user, &hashes).await?;
        users::touch(&mut tx, user, now).await?;
        self.commit(tx, [event]).await?;
        tracing::info!(user.id = %user, "user {user} has a second factor now");
        Ok(codes)
    }

    /// Removes the second factor. A wrong code is a failed attempt: a stolen token must not be enough to guess it.
    #[instrument(skip_all)]
    pub async fn disable_totp(&self, caller: &Caller, code: SecretString) -> Result<(), Error> {
        let user = caller.person()?;
        if self.second_factor(user).await?.is_none() {
            return Err(Error::NotEnabled);
        }
        let target = Target::own(caller, user, OwnProof::Code);
        let event = Event::by(caller, Kind::TotpRemoval).on(user);
        let Attempt { tried, slot: _slot, turn: _turn, .. } = self.attempt(target, event.clone()).await?;
        let outcome = self.try_disable(user, &code, target, event).await;
        match &outcome {
            Ok(()) => tried.succeeded(),
            Err(Error::Invalid) => tried.failed(target.aim(), Reason::TotpInvalid).await?,
            Err(Error::NotEnabled) => tried.taken_back(target.aim(), Reason::TotpNotEnabled).await?,
            Err(_) => drop(tried),
        }
        outcome
    }

    async fn try_disable(&self, user: UserId, code: &SecretString, target: Target, event: Event) -> Result<(), Error> {
        // Read again: while it waited, its turn may have come after another's that removed it.
        let Some(factor) = self.second_factor(user).await? else {
            self.refund(&target).await?;
            return Err(Error::NotEnabled);
        };
        let proof = self.prove(user, &factor, code).await?;
        let recovery =
            matches!(proof, Proof::Recovery(_)).then(|| Event { kind: Kind::RecoveryCodeUse, ..event.clone() });
        let event = event.with("second_factor", proof.name());
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        users::lock_for_change(&mut tx, user).await?.ok_or(Denied::TokenRevoked)?;
        login_failures::forget(&mut tx, target.counter()).await?;
        proof.use_up(&mut tx, user).await?;
        totp::delete_factor(&mut tx, user).await?;
        users::touch(&mut tx, user, now).await?;
        self.commit(tx, [event].into_iter().chain(recovery)).await?;
        tracing::info!(user.id = %user, "user {user} has no second factor any more");
        Ok(())
    }
}
