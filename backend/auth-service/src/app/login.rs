//! Logging in with a password, and a second factor where there is one.

use errors::{Class, Classify};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use secrecy::SecretString;
use tracing::instrument;

use super::attempts::{self, Attempt, Target};
use super::hasher::{HashError, Slot};
use super::totp::{self, Proof};
use super::{App, Tokens, keyring};
use crate::model::audit::{Event, Kind};
use crate::model::{LoginName, Password, TokenHash, User};
use crate::storage::{credentials, sessions, users};

/// What a person gives to log in.
pub struct Login {
    /// User name or e-mail.
    pub name: LoginName,
    /// Password.
    pub password: Password,
    /// Code of the second factor.
    pub totp_code: Option<SecretString>,
    /// The device.
    pub device_name: String,
}

/// Who has proven who they are, and by what.
struct Proven {
    user: UserId,
    target: Target,
    /// The hash that the password was compared with.
    compared_hash: String,
    newer_hash: Option<String>,
    proof: Option<Proof>,
}

/// Why a log-in is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong, locked or too many at once.
    #[error(transparent)]
    Attempt(#[from] attempts::Error),
    /// The second factor is wanting or wrong.
    #[error(transparent)]
    Totp(#[from] totp::Error),
    /// The account may not be used.
    #[error("the account has been disabled")]
    Disabled,
    /// Signing the tokens.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
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
            Self::Attempt(error) => error.class(),
            Self::Totp(error) => error.class(),
            Self::Disabled => Class::denied(Reason::AccountDisabled),
            Self::Keys(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Opens a session. What happens with a name that nobody has is the same, step by step, as with a wrong password.
    #[instrument(skip_all)]
    pub async fn login(&self, login: Login) -> Result<(User, Tokens), Error> {
        let outcome = self.try_login(login).await;
        self.metrics.logged_in(match &outcome {
            Ok(_) => "ok",
            Err(Error::Attempt(attempts::Error::InvalidCredentials)) => "invalid_credentials",
            Err(Error::Attempt(attempts::Error::Locked { .. })) => "locked",
            Err(Error::Attempt(attempts::Error::Limited(_))) => "limited",
            Err(Error::Totp(_)) => "totp",
            Err(Error::Disabled) => "disabled",
            Err(_) => "error",
        });
        outcome
    }

    async fn try_login(&self, login: Login) -> Result<(User, Tokens), Error> {
        // For the name, whether anybody has it or not, before it is looked up.
        let name = TokenHash::of(login.name.as_str().as_bytes());
        self.limiter.admit_account("Login", name.as_bytes()).await.map_err(attempts::Error::from)?;
        let account = credentials::find_account(&mut *self.pg.conn().await?, &login.name).await?;
        let target = Target::typed(&login.name, account);
        let event = Event { subject: account, ..Event::anonymous(Kind::Login) };
        let Attempt { slot, password_hash, tried, turn: _turn } = self.attempt(target, event).await?;
        let outcome = self.prove_login(login, account, target, (slot, password_hash)).await;
        match &outcome {
            Ok(_) => tried.succeeded(),
            Err(Error::Attempt(attempts::Error::InvalidCredentials)) => {
                tried.failed(target.aim(), Reason::InvalidCredentials).await?;
            }
            Err(Error::Totp(totp::Error::Invalid)) => tried.failed(target.aim(), Reason::TotpInvalid).await?,
            Err(Error::Totp(totp::Error::Required)) => tried.taken_back(target.aim(), Reason::TotpRequired).await?,
            Err(Error::Disabled) => tried.taken_back(target.aim(), Reason::AccountDisabled).await?,
            Err(_) => drop(tried),
        }
        outcome
    }

    async fn prove_login(
        &self,
        login: Login,
        account: Option<UserId>,
        target: Target,
        (slot, compared): (Slot, Option<String>),
    ) -> Result<(User, Tokens), Error> {
        let (verdict, _slot) = self.hasher.verify(slot, login.password, compared.clone()).await?;
        let (Some(user), Some(compared), true) = (account, compared, verdict.is_right) else {
            return Err(attempts::Error::InvalidCredentials.into());
        };

        let proof = match self.second_factor(user).await? {
            None => None,
            Some(factor) => match &login.totp_code {
                Some(code) => Some(self.prove(user, &factor, code).await?),
                None => {
                    // No guess, but no proof either: the row of failures stays as it was before.
                    self.refund(&target).await?;
                    return Err(totp::Error::Required.into());
                }
            },
        };
        let proven = Proven { user, target, compared_hash: compared, newer_hash: verdict.newer_hash, proof };
        self.open_session(proven, &login.device_name).await
    }

    async fn open_session(&self, proven: Proven, device_name: &str) -> Result<(User, Tokens), Error> {
        let Proven { user, target, compared_hash, newer_hash, proof } = proven;
        let now = self.clock.now();
        let (session, refresh) = self.new_session(user, device_name, now);
        let mut tx = self.pg.begin().await?;
        let locked = users::lock_for_tokens(&mut tx, user).await?.ok_or(attempts::Error::InvalidCredentials)?;
        if !locked.active {
            drop(tx);
            self.refund(&target).await?;
            return Err(Error::Disabled);
        }
        // Changed since it was compared: the session must not outlive the change.
        let (typed, newer_hash) = (target.name(), newer_hash.as_deref());
        if !credentials::clear_attempts(&mut tx, user, typed, &compared_hash, newer_hash).await? {
            return Err(attempts::Error::InvalidCredentials.into());
        }
        let event = Event::of_person(Kind::Login, user).in_session(session.id);
        let mut events = vec![match &proof {
            None => event,
            Some(proof) => event.with("second_factor", proof.name()),
        }];
        if let Some(Proof::Recovery(_)) = proof {
            events.push(Event::of_person(Kind::RecoveryCodeUse, user).in_session(session.id));
        }
        if let Some(proof) = proof {
            proof.use_up(&mut tx, user).await?;
        }
        let granted = sessions::insert_session(&mut tx, &session, now).await?;
        let person = users::find_user(&mut tx, user).await?.ok_or(attempts::Error::InvalidCredentials)?;
        self.commit(tx, events).await?;
        let tokens = self.tokens_for(user, session.id, granted, refresh, now)?;
        tracing::info!(user.id = %user, session.id = %session.id, "user {user} logged in");
        Ok((person, tokens))
    }
}
