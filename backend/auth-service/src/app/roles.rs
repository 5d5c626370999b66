//! Roles and permissions, and failed log-ins that other services report.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::UserId;
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;

use super::{App, outbox};
use crate::model::Role;
use crate::model::audit::{Event, Kind};
use crate::model::lockout::{Policy, Standing};
use crate::model::role::{self, Permission};
use crate::storage::{credentials, roles, sessions, users};

/// Why roles are not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of this id.
    #[error("user {0} not found")]
    NotFound(UserId),
    /// Nobody could administer any more.
    #[error("the last administrator can't lose the role, make another one first")]
    LastAdmin,
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("user", id, Reason::UserNotFound),
            Self::LastAdmin => Class::precondition(Reason::LastAdmin),
            Self::Denied(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

/// What a person may do.
pub struct Permissions {
    /// Their roles, in alphabetical order.
    pub roles: Vec<String>,
    /// Permissions of these, in alphabetical order.
    pub permissions: Vec<String>,
}

impl App {
    /// What a person may do; nothing if the account has been disabled.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn permissions(&self, caller: &Caller, user: UserId) -> Result<Permissions, Error> {
        self.read_permissions(caller, user, "GetUserPermissions").await
    }

    async fn read_permissions(&self, caller: &Caller, user: UserId, rpc: &'static str) -> Result<Permissions, Error> {
        caller.must_be(user)?;
        let granted = roles::find_granted(&mut *self.pg.conn().await?, user).await?.ok_or(Error::NotFound(user))?;
        self.record_read(caller, rpc, &[user]).await?;
        if !granted.active {
            return Ok(Permissions { roles: vec![], permissions: vec![] });
        }
        Ok(Permissions { roles: role::with_user(granted.roles), permissions: granted.permissions })
    }

    /// Whether a person has a permission.
    pub async fn has_permission(&self, caller: &Caller, user: UserId, permission: &Permission) -> Result<bool, Error> {
        let granted = self.read_permissions(caller, user, "CheckPermission").await?;
        Ok(granted.permissions.iter().any(|name| name == permission.as_str()))
    }

    /// Grants a role.
    #[instrument(skip_all, fields(user.id = %user, %role))]
    pub async fn grant_role(&self, caller: &Caller, user: UserId, role: Role) -> Result<(), Error> {
        caller.must_be_admin()?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let account = users::lock_for_change(&mut tx, user).await?.ok_or(Error::NotFound(user))?;
        if roles::insert_role(&mut tx, user, role, now).await? {
            users::touch(&mut tx, user, now).await?;
            let told = outbox::updated(&mut tx, user, &account.username, now).await?;
            let event = Event::by(caller, Kind::RoleGrant).on(user).with("role", role);
            self.commit_and_tell(tx, [event], told).await?;
        }
        tracing::info!(user.id = %user, %role, "user {user} has role {role}");
        Ok(())
    }

    /// Takes a role away. The person's sessions end, for their tokens carry it.
    #[instrument(skip_all, fields(user.id = %user, %role))]
    pub async fn revoke_role(&self, caller: &Caller, user: UserId, role: Role) -> Result<(), Error> {
        caller.must_be_admin()?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let account = users::lock_for_change(&mut tx, user).await?.ok_or(Error::NotFound(user))?;
        if role == Role::Admin && roles::is_last_admin(&mut tx, user).await? {
            return Err(Error::LastAdmin);
        }
        if !roles::delete_role(&mut tx, user, role).await? {
            return Ok(());
        }
        users::touch(&mut tx, user, now).await?;
        let ended = sessions::revoke_sessions(&mut tx, user, None, now).await?;
        let event = Event::by(caller, Kind::RoleRevocation).on(user).with("role", role);
        let told = outbox::updated(&mut tx, user, &account.username, now).await?;
        let told = told.into_iter().chain(self.ended(user, &ended, now));
        self.commit_and_tell(tx, [event.with("sessions_ended", ended.len())], told).await?;
        self.revoked(ended, now);
        tracing::info!(user.id = %user, %role, "user {user} lost role {role}");
        Ok(())
    }

    /// Counts a failed log-in that another service saw.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn record_failed_login(&self, caller: &Caller, user: UserId, policy: Policy) -> Result<Standing, Error> {
        caller.must_be_service()?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let counted = credentials::count_attempt(&mut tx, user, &policy, now).await?;
        let (standing, _) = counted.ok_or(Error::NotFound(user))?;
        let event = Event::by(caller, Kind::Login).on(user);
        if standing.admitted {
            let lock = standing.locked_until.map(|until| {
                Event { kind: Kind::Lock, ..event.clone() }
                    .with("of", Kind::Login.name())
                    .with("until", clock::rfc3339(until))
            });
            let refused = event.refused(Reason::InvalidCredentials);
            self.commit(tx, [refused].into_iter().chain(lock)).await?;
        } else {
            drop(tx);
            self.record_refusal(user, event.refused(Reason::AccountLocked)).await?;
        }
        Ok(standing)
    }

    /// What locks a log-in unless a call says otherwise.
    pub fn lockout(&self) -> Policy {
        self.lockout
    }
}
