//! New accounts.

use errors::{Class, Classify};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::attempts;
use super::hasher::{HashError, Overloaded};
use super::{App, Tokens, keyring, outbox};
use crate::model::audit::{Event, Kind};
use crate::model::{Email, NewPassword, User, Username, role};
use crate::storage::profile_sync::Pending;
use crate::storage::{sessions, users};

/// What a person gives to get an account.
pub struct Registration {
    /// Their name.
    pub username: Username,
    /// Their e-mail.
    pub email: Email,
    /// Their password.
    pub password: NewPassword,
    /// Name for the profile, if another than the user name.
    pub display_name: Option<String>,
}

/// Why an account is not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is or was another's.
    #[error("the user name {0} is taken")]
    UsernameTaken(Username),
    /// The e-mail is another's.
    #[error("another account has this e-mail")]
    EmailTaken,
    /// Hashing the password.
    #[error(transparent)]
    Hash(#[from] attempts::Error),
    /// Signing the tokens.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        Self::Hash(error.into())
    }
}

impl From<Overloaded> for Error {
    fn from(error: Overloaded) -> Self {
        Self::Hash(error.into())
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::UsernameTaken(name) => Class::exists("user", name, Reason::UsernameTaken),
            Self::EmailTaken => Class::exists("user", "", Reason::EmailTaken),
            Self::Hash(error) => error.class(),
            Self::Keys(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Makes an account, logs it in, and has its profile made.
    #[instrument(skip_all)]
    pub async fn register(&self, registration: Registration) -> Result<(User, Tokens), Error> {
        let Registration { username, email, password, display_name } = registration;
        // The constraints decide; this only spares the hash.
        let taken = users::find_taken(&mut *self.pg.conn().await?, &username, &email).await?;
        if taken.username {
            return Err(Error::UsernameTaken(username));
        }
        if taken.email {
            return Err(Error::EmailTaken);
        }
        let slot = self.hasher.slot().await?;
        let password_hash = self.hasher.hash(slot, password.into_password()).await?;

        let now = self.clock.now();
        let id = UserId::generate(now);
        let new = users::NewUser {
            id,
            username: &username,
            email: &email,
            password_hash: &password_hash,
            display_name: display_name.as_deref(),
            profile_sync_at: self.profiles.retry_at(now),
        };
        let (session, refresh) = self.new_session(id, "", now);
        let mut tx = self.pg.begin().await?;
        match users::insert_user(&mut tx, &new, now).await {
            Err(error) if error.is_constraint(users::USERNAME_KEY) => return Err(Error::UsernameTaken(username)),
            Err(error) if error.is_constraint(users::EMAIL_KEY) => return Err(Error::EmailTaken),
            other => other?,
        }
        let granted = sessions::insert_session(&mut tx, &session, now).await?;
        let event = Event::of_person(Kind::Registration, id).in_session(session.id);
        self.commit_and_tell(tx, [event], [outbox::registered(&new, now)]).await?;
        self.metrics.registered();
        tracing::info!(user.id = %id, "account {id} made");

        let user = User {
            id,
            username: username.as_str().to_owned(),
            email: email.as_str().to_owned(),
            email_verified: false,
            active: true,
            roles: role::with_user(vec![]),
            failed_attempts: 0,
            locked_until: None,
            created_at: now,
            updated_at: now,
        };
        let profile =
            Pending { user: id, username: user.username.clone(), display_name, created_at: now, deleted_at: None };
        self.sync_profile(&profile).await;
        let tokens = self.tokens_for(id, session.id, granted, refresh, now)?;
        Ok((user, tokens))
    }
}
