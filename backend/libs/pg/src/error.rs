//! SQLSTATEs and driver errors, mapped once. Nothing of them reaches a client.

use errors::{Class, Classify, Kind, common};
use sqlx::error::DatabaseError;

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not reachable, shutting down, starting up, or out of connections.
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection became free in time.
    #[error("no database connection became free in time")]
    PoolTimeout,
    /// The statement ran longer than it may.
    #[error("the database took too long")]
    StatementTimeout,
    /// Deadlock or serialization failure: the same call again will do.
    #[error("the change lost a race with another, try again")]
    Conflict(#[source] sqlx::Error),
    /// A named constraint was violated.
    #[error("constraint {name} was violated")]
    Constraint {
        /// The constraint's name in the schema.
        name: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// A restore has begun and not ended (see [`crate::restoring`]).
    #[error("the database is being restored, or a restore was cut off: let `nova restore` end, or run it again")]
    BeingRestored,
    /// A row that can't be.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Anything else.
    #[error("the database refused the statement")]
    Statement(#[source] sqlx::Error),
}

/// A row holds what the code can't read: a fault of an earlier release or of a hand at the database.
#[derive(Debug, thiserror::Error)]
#[error("{table}.{column} of row {row} can't be read: {fault}")]
pub struct Corrupt {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's key.
    pub row: String,
    /// What is wrong with the value.
    pub fault: String,
}

impl Error {
    /// Whether the named constraint was violated.
    pub fn is_constraint(&self, constraint: &str) -> bool {
        matches!(self, Self::Constraint { name, .. } if name == constraint)
    }

    /// Whether the connection is of no more use.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::PoolTimeout)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let error = Self::classify(error);
        if matches!(error, Self::Unavailable(_)) {
            crate::pool::suspect_connections();
        }
        error
    }
}

impl Error {
    fn classify(error: sqlx::Error) -> Self {
        let state = error.as_database_error().and_then(DatabaseError::code);
        match (&error, state.as_deref()) {
            (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed, _) => {
                Self::Unavailable(error.into())
            }
            (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed, _) => Self::PoolTimeout,
            // query_canceled: statement_timeout, or the caller left and the connection was closed
            (_, Some("57014")) => Self::StatementTimeout,
            // lock_not_available (lock_timeout), deadlock_detected, serialization_failure
            (_, Some("55P03" | "40P01" | "40001")) => Self::Conflict(error),
            // connection exceptions, operator intervention, insufficient resources, cannot_connect_now
            (_, Some(code)) if code.starts_with("08") || code.starts_with("57P") || code.starts_with("53") => {
                Self::Unavailable(error.into())
            }
            // a read-only database is a replica that was promoted away from
            (_, Some("25006")) => Self::Unavailable(error.into()),
            (_, Some(code)) if code.starts_with("23") => {
                match error.as_database_error().and_then(DatabaseError::constraint).map(str::to_owned) {
                    Some(name) => Self::Constraint { name, source: error },
                    None => Self::Statement(error),
                }
            }
            _ => Self::Statement(error),
        }
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Unavailable(_) => Class::unavailable(),
            Self::PoolTimeout => {
                Class::new(Kind::Unavailable, common::OVERLOADED).retry_after(std::time::Duration::from_secs(1))
            }
            Self::StatementTimeout => Class::timeout(),
            Self::Conflict(_) => Class::new(Kind::Conflict, common::CONFLICT),
            Self::BeingRestored | Self::Constraint { .. } | Self::Corrupt(_) | Self::Statement(_) => Class::internal(),
        }
    }
}
