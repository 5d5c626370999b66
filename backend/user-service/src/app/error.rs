//! Why a use case refuses or fails.

use std::sync::Arc;

use authn::Denied;
use errors::{Class, Classify, FieldViolation, Invalid};
use ids::UserId;
use pg::page::PageError;
use protos::user::v1::ErrorReason as Reason;

use crate::peers::{Unreachable, Unsettled};

/// Why a use case refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user, or none that the caller may know of.
    #[error("there is no user {0}")]
    UserNotFound(UserId),
    /// One of the two has blocked the other.
    #[error("a block lies between the two users")]
    Blocked,
    /// Nobody waits for that answer.
    #[error("there is no request of user {0} to follow")]
    RequestNotFound(UserId),
    /// The list is not for the caller.
    #[error("the lists of this user are not open to the caller")]
    ListPrivate,
    /// `expected_version` is not the record's.
    #[error("the record is at version {0}, not at the expected one")]
    VersionConflict(i64),
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A field is out of bounds.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The auth service is needed and does not answer.
    #[error(transparent)]
    Accounts(#[from] Unreachable),
    /// A block is committed, but what came before it is not settled.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
    /// The database gave no answer.
    #[error(transparent)]
    Pg(#[from] pg::Error),
    /// The database gave no answer to a read that others waited for too.
    #[error(transparent)]
    PgShared(#[from] Arc<pg::Error>),
}

impl From<FieldViolation> for Error {
    fn from(violation: FieldViolation) -> Self {
        Self::Invalid(violation.into())
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::UserNotFound(id) => Class::not_found("user", id, Reason::UserNotFound),
            Self::Blocked => Class::precondition(Reason::UserBlocked),
            Self::RequestNotFound(id) => Class::not_found("follow request", id, Reason::FollowRequestNotFound),
            Self::ListPrivate => Class::denied(Reason::ListPrivate),
            Self::VersionConflict(current) => Class::version_conflict(*current),
            Self::Denied(e) => e.class(),
            Self::Invalid(e) => e.class(),
            Self::Page(e) => e.class(),
            Self::Accounts(_) | Self::Unsettled(_) => Class::unavailable(),
            Self::Pg(e) => e.class(),
            Self::PgShared(e) => e.class(),
        }
    }
}

errors::into_status!(Error, crate::DOMAIN);
