//! The caller of an RPC, and the refusals that depend on nothing but who it is.

use std::sync::Arc;

use errors::{Class, Classify, common};
use ids::{SessionId, UserId};
use tonic::Request;

use crate::{ROLE_ADMIN, ROLE_SERVICE, Roles};

/// Who calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Identity>);

#[derive(Debug)]
struct Identity {
    who: Who,
    roles: Roles,
    expires_at: i64,
}

#[derive(Debug)]
enum Who {
    Person { user: UserId, session: SessionId },
    Service { client_id: String },
}

/// Why a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The call needs an access token and has none.
    #[error("an access token is needed: authorization: Bearer <access token>")]
    TokenMissing,
    /// The token was not issued by this Nova, or is no token.
    #[error("the access token is not valid")]
    TokenInvalid,
    /// The token has expired; RefreshToken gives a new one.
    #[error("the access token has expired")]
    TokenExpired,
    /// The session has ended.
    #[error("the session has ended, log in again")]
    TokenRevoked,
    /// The token is a service's, and the connection is not that service's.
    #[error("a service's access token is believed only together with that service's certificate")]
    NotThatService,
    /// The public keys are not known yet.
    #[error("access tokens can't be checked right now")]
    KeysUnknown,
    /// The caller may not do this.
    #[error("the caller may not do this")]
    NotYours,
}

impl Classify for Denied {
    fn class(&self) -> Class {
        match self {
            Self::TokenMissing | Self::TokenInvalid | Self::NotThatService => {
                Class::unauthenticated(common::UNAUTHENTICATED)
            }
            Self::TokenExpired => Class::unauthenticated(common::TOKEN_EXPIRED),
            Self::TokenRevoked => Class::unauthenticated(common::TOKEN_REVOKED),
            Self::KeysUnknown => Class::unavailable(),
            Self::NotYours => Class::denied(common::PERMISSION_DENIED),
        }
    }
}

impl Caller {
    /// A person with a session.
    pub fn of_person(user: UserId, session: SessionId, roles: Roles, expires_at: i64) -> Self {
        Self(Arc::new(Identity { who: Who::Person { user, session }, roles, expires_at }))
    }

    /// One of Nova's own services.
    pub fn of_service(client_id: String, expires_at: i64) -> Self {
        Self(Arc::new(Identity { who: Who::Service { client_id }, roles: vec![ROLE_SERVICE.to_owned()], expires_at }))
    }

    /// The caller that the access layer found.
    ///
    /// # Errors
    /// [`Denied::TokenMissing`] if there is none.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Denied> {
        request.extensions().get::<Self>().cloned().ok_or(Denied::TokenMissing)
    }

    /// The person's id; a service has none.
    pub fn user_id(&self) -> Option<UserId> {
        match self.0.who {
            Who::Person { user, .. } => Some(user),
            Who::Service { .. } => None,
        }
    }

    /// The person's session; a service has none.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.0.who {
            Who::Person { session, .. } => Some(session),
            Who::Service { .. } => None,
        }
    }

    /// The service's client id; a person has none.
    pub fn client_id(&self) -> Option<&str> {
        match &self.0.who {
            Who::Person { .. } => None,
            Who::Service { client_id } => Some(client_id),
        }
    }

    /// The person's id where only a person makes sense.
    ///
    /// # Errors
    /// [`Denied::NotYours`] for a service.
    pub fn person(&self) -> Result<UserId, Denied> {
        self.user_id().ok_or(Denied::NotYours)
    }

    /// The caller's roles.
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// When the token expires, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.0.expires_at
    }

    /// Whether this is one of Nova's own services.
    pub fn is_service(&self) -> bool {
        matches!(self.0.who, Who::Service { .. })
    }

    /// Whether this is an administrator.
    pub fn is_admin(&self) -> bool {
        self.0.roles.iter().any(|role| role == ROLE_ADMIN)
    }

    /// Refuses everyone but `user`, services and administrators.
    ///
    /// # Errors
    /// [`Denied::NotYours`] for anyone else.
    pub fn must_be(&self, user: UserId) -> Result<(), Denied> {
        self.require(self.user_id() == Some(user) || self.is_service() || self.is_admin())
    }

    /// Refuses everyone but services.
    ///
    /// # Errors
    /// [`Denied::NotYours`] for anyone else.
    pub fn must_be_service(&self) -> Result<(), Denied> {
        self.require(self.is_service())
    }

    /// Refuses everyone but administrators.
    ///
    /// # Errors
    /// [`Denied::NotYours`] for anyone else.
    pub fn must_be_admin(&self) -> Result<(), Denied> {
        self.require(self.is_admin())
    }

    /// Refuses everyone but services and administrators.
    ///
    /// # Errors
    /// [`Denied::NotYours`] for anyone else.
    pub fn must_be_service_or_admin(&self) -> Result<(), Denied> {
        self.require(self.is_service() || self.is_admin())
    }

    fn require(&self, allowed: bool) -> Result<(), Denied> {
        if allowed { Ok(()) } else { Err(Denied::NotYours) }
    }
}
