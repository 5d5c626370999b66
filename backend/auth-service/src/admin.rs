//! What the `nova` command does on the database, without a running service.

use std::time::Duration;

use authn::Algorithm;
use chrono::{DateTime, Utc};
use ids::UserId;
use sealing::MasterKeys;
use sqlx::{Connection, PgConnection};

use crate::app::{HashError, Hasher, audit, keyring, outbox};
use crate::config::PasswordHashing;
use crate::model::audit::{Actor, Entry, Event, Kind, Origin};
use crate::model::{Email, NewPassword, Role, Username};
use crate::root::root_key;
use crate::storage::{roles, sessions, users};

/// How long a new key is published before it signs: every service has it by then, so no token meets an unknown key.
pub const PUBLISHED_AHEAD: Duration = Duration::from_secs(5);

/// An account to make.
pub struct NewAccount {
    /// Its name.
    pub username: Username,
    /// Its e-mail, taken for verified.
    pub email: Email,
    /// Its password.
    pub password: NewPassword,
    /// Roles besides `user`.
    pub roles: Vec<Role>,
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is or was another's.
    #[error("the user name {0} is taken")]
    UsernameTaken(Username),
    /// The e-mail is another's.
    #[error("another account has this e-mail")]
    EmailTaken,
    /// There is nobody of this name.
    #[error("no account has the user name {0}")]
    NoSuchUser(Username),
    /// The parameters are out of bounds.
    #[error("the parameters for hashing passwords can't be used: {0}")]
    Parameters(argon2::Error),
    /// Argon2 failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The audit log's key can't be read.
    #[error(transparent)]
    Audit(#[from] audit::KeyError),
    /// The keys can't be read or written.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Pg(error.into())
    }
}

/// Makes an account. Its profile is made by the running services.
///
/// # Errors
/// [`Error::UsernameTaken`], [`Error::EmailTaken`], or what else went wrong.
pub async fn create_user(
    conn: &mut PgConnection,
    masters: &MasterKeys,
    account: NewAccount,
    hashing: &PasswordHashing,
    now: DateTime<Utc>,
) -> Result<UserId, Error> {
    let NewAccount { username, email, password, roles } = account;
    let hasher = Hasher::try_new(hashing).map_err(Error::Parameters)?;
    let slot = hasher.slot().await.expect("nobody else uses this hasher");
    let password_hash = hasher.hash(slot, password.into_password()).await?;
    let master = root_key(conn, masters).await.map_err(audit::KeyError::from)?;
    let audit_key = audit::open_key(conn, &master, now).await?;
    let id = UserId::generate(now);
    let new = users::NewUser {
        id,
        username: &username,
        email: &email,
        password_hash: &password_hash,
        display_name: None,
        profile_sync_at: now,
    };
    let mut tx = conn.begin().await?;
    match users::insert_user(&mut tx, &new, now).await {
        Err(error) if error.is_constraint(users::USERNAME_KEY) => return Err(Error::UsernameTaken(username)),
        Err(error) if error.is_constraint(users::EMAIL_KEY) => return Err(Error::EmailTaken),
        other => other?,
    }
    users::set_email_verified(&mut tx, id, now).await?;
    let mut events = vec![Event::new(Kind::Registration, Actor::Operator).on(id)];
    for role in roles {
        roles::insert_role(&mut tx, id, role, now).await?;
        events.push(Event::new(Kind::RoleGrant, Actor::Operator).on(id).with("role", role));
    }
    let mut told = vec![outbox::registered(&new, now)];
    if events.len() > 1 {
        told.extend(outbox::updated(&mut tx, id, username.as_str(), now).await?);
    }
    events::outbox::append(&mut tx, &told).await?;
    audit::append(&mut tx, &audit_key, &Entry::all(events, &Origin::default(), now)).await?;
    tx.commit().await?;
    Ok(id)
}

/// Gives a person a role. It is in the tokens that they get from then on.
///
/// # Errors
/// [`Error::NoSuchUser`], or what else went wrong.
pub async fn grant_role(
    conn: &mut PgConnection,
    masters: &MasterKeys,
    username: &Username,
    role: Role,
    now: DateTime<Utc>,
) -> Result<UserId, Error> {
    let master = root_key(conn, masters).await.map_err(audit::KeyError::from)?;
    let audit_key = audit::open_key(conn, &master, now).await?;
    let mut tx = conn.begin().await?;
    let id = users::find_user_by_username(&mut tx, username.as_str()).await?;
    let id = id.ok_or_else(|| Error::NoSuchUser(username.clone()))?;
    users::lock_for_change(&mut tx, id).await?.ok_or_else(|| Error::NoSuchUser(username.clone()))?;
    if roles::insert_role(&mut tx, id, role, now).await? {
        users::touch(&mut tx, id, now).await?;
        let told = outbox::updated(&mut tx, id, username.as_str(), now).await?;
        events::outbox::append(&mut tx, told.as_slice()).await?;
        let event = Event::new(Kind::RoleGrant, Actor::Operator).on(id).with("role", role);
        audit::append(&mut tx, &audit_key, &[Entry::new(event, &Origin::default(), now)]).await?;
    }
    tx.commit().await?;
    Ok(id)
}

/// Makes a new signing key, which takes over in [`PUBLISHED_AHEAD`]. Running services pick it up by themselves, and nobody
/// is logged out. Returns the key's id.
///
/// # Errors
/// If the master key is not the database's, or what else went wrong.
pub async fn rotate_keys(
    conn: &mut PgConnection,
    masters: &MasterKeys,
    algorithm: Algorithm,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let master = root_key(conn, masters).await.map_err(audit::KeyError::from)?;
    let audit_key = audit::open_key(conn, &master, now).await?;
    Ok(keyring::rotate(conn, (&master, &audit_key), algorithm, now, now + PUBLISHED_AHEAD).await?)
}

/// After a restore: deletes those of these people whose accounts live again because the backup is older than their deletion, and
/// tells how many. The services that start next end their profiles and memberships, as after any deletion.
///
/// # Errors
/// If the master key is not the database's, or the database fails.
pub async fn delete_again(
    conn: &mut PgConnection,
    masters: &MasterKeys,
    people: &[UserId],
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let master = root_key(conn, masters).await.map_err(audit::KeyError::from)?;
    let audit_key = audit::open_key(conn, &master, now).await?;
    let mut deleted = 0;
    for &user in people {
        let mut tx = conn.begin().await?;
        if users::lock_for_change(&mut tx, user).await?.is_none() {
            continue;
        }
        users::delete_user(&mut tx, user, now, now).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, None, now).await?;
        events::outbox::append(&mut tx, &[outbox::deleted(user, now)]).await?;
        let event = Event::new(Kind::AccountDeletion, Actor::Operator).on(user).with("sessions_ended", ended.len());
        audit::append(&mut tx, &audit_key, &[Entry::new(event, &Origin::default(), now)]).await?;
        tx.commit().await?;
        deleted += 1;
    }
    Ok(deleted)
}

/// After a restore: ends every session, since those that were ended after the backup live again, and voids every token that was
/// mailed. Returns how many sessions there were. Services ask for ended sessions, so no event tells of each.
///
/// # Errors
/// As [`delete_again`].
pub async fn end_all_sessions(conn: &mut PgConnection, masters: &MasterKeys, now: DateTime<Utc>) -> Result<u64, Error> {
    let master = root_key(conn, masters).await.map_err(audit::KeyError::from)?;
    let audit_key = audit::open_key(conn, &master, now).await?;
    let mut tx = conn.begin().await?;
    let ended = sessions::revoke_all(&mut tx, now).await?;
    let event = Event::new(Kind::AllSessionsRevocation, Actor::Operator).with("sessions_ended", ended);
    audit::append(&mut tx, &audit_key, &[Entry::new(event, &Origin::default(), now)]).await?;
    tx.commit().await?;
    Ok(ended)
}
