//! What kind of failure an error is, and what a client is told of it.

use std::fmt::Display;
use std::time::Duration;

use tonic::Code;

use crate::FieldViolation;

/// A machine-readable reason: the name of a value of the service's `ErrorReason` enum in its proto.
pub trait Reason {
    /// The name as it goes over the wire, such as `VERSION_CONFLICT`.
    fn name(&self) -> &'static str;
}

impl Reason for &'static str {
    fn name(&self) -> &'static str {
        self
    }
}

/// The reasons that shared code gives; every service's `ErrorReason` has them.
pub mod common {
    /// A field is out of bounds; `BadRequest` names it.
    pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
    /// The page token is damaged or was made for other arguments.
    pub const PAGE_TOKEN_INVALID: &str = "PAGE_TOKEN_INVALID";
    /// The offset is beyond what is served; page tokens reach further.
    pub const OFFSET_TOO_LARGE: &str = "OFFSET_TOO_LARGE";
    /// No access token, or one that Nova did not issue.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// The access token has expired.
    pub const TOKEN_EXPIRED: &str = "TOKEN_EXPIRED";
    /// The session behind the access token has ended.
    pub const TOKEN_REVOKED: &str = "TOKEN_REVOKED";
    /// The caller may not do this.
    pub const PERMISSION_DENIED: &str = "PERMISSION_DENIED";
    /// `expected_version` is not the record's version.
    pub const VERSION_CONFLICT: &str = "VERSION_CONFLICT";
    /// More work is waiting than the service takes on.
    pub const OVERLOADED: &str = "OVERLOADED";
    /// Too many calls from a caller, an address, or for an account.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// The deadline passed before the answer was known.
    pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
    /// A part that is needed for the answer does not answer.
    pub const UNAVAILABLE: &str = "UNAVAILABLE";
    /// A fault of the server.
    pub const INTERNAL: &str = "INTERNAL";
    /// The caller went away.
    pub const CANCELLED: &str = "CANCELLED";
    /// There is no such RPC.
    pub const UNIMPLEMENTED: &str = "UNIMPLEMENTED";
    /// The request is larger than the service accepts.
    pub const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
    /// The transaction lost a race; the same call again will do.
    pub const CONFLICT: &str = "CONFLICT";
}

/// The closed set of failures; docs/ERRORS.md says what a client does on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request can't be right, whatever the state: fix it.
    Invalid,
    /// A position beyond what is kept or served.
    OutOfRange,
    /// Who calls is not known: log in again.
    Unauthenticated,
    /// The caller is known and may not.
    Denied,
    /// There is nothing that the caller may know of.
    NotFound,
    /// It is there already, with other content.
    Exists,
    /// The record has changed meanwhile: read again, then retry.
    Conflict,
    /// The state must change first.
    Precondition,
    /// Too much, too fast: wait as told.
    Limited,
    /// The deadline passed.
    Timeout,
    /// Something needed is down: back off, then retry.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl Kind {
    /// The gRPC status code of this kind.
    pub const fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::OutOfRange => Code::OutOfRange,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Denied => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Exists => Code::AlreadyExists,
            Self::Conflict => Code::Aborted,
            Self::Precondition => Code::FailedPrecondition,
            Self::Limited => Code::ResourceExhausted,
            Self::Timeout => Code::DeadlineExceeded,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// Whether the fault is the server's (logged as an error) and not the caller's.
    pub const fn is_servers_fault(self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable | Self::Internal)
    }
}

/// Everything that a client is told of a failure, besides the sentence.
#[derive(Clone, Debug)]
pub struct Class {
    pub(crate) kind: Kind,
    pub(crate) reason: &'static str,
    pub(crate) metadata: Vec<(&'static str, String)>,
    pub(crate) fields: Vec<FieldViolation>,
    pub(crate) resource: Option<(&'static str, String)>,
    pub(crate) retry_after: Option<Duration>,
}

impl Class {
    /// A class with nothing but its kind and reason.
    pub fn new(kind: Kind, reason: impl Reason) -> Self {
        Self { kind, reason: reason.name(), metadata: vec![], fields: vec![], resource: None, retry_after: None }
    }

    /// Fields out of bounds.
    pub fn invalid(fields: Vec<FieldViolation>) -> Self {
        Self { fields, ..Self::new(Kind::Invalid, common::INVALID_ARGUMENT) }
    }

    /// A position in `field` beyond what is kept or served.
    pub fn out_of_range(field: &str, description: impl Into<String>, reason: impl Reason) -> Self {
        Self { fields: vec![FieldViolation::new(field, description)], ..Self::new(Kind::OutOfRange, reason) }
    }

    /// No caller, or none that can be believed.
    pub fn unauthenticated(reason: impl Reason) -> Self {
        Self::new(Kind::Unauthenticated, reason)
    }

    /// A caller that may not.
    pub fn denied(reason: impl Reason) -> Self {
        Self::new(Kind::Denied, reason)
    }

    /// Nothing of this type and name that the caller may know of.
    pub fn not_found(resource_type: &'static str, name: impl Display, reason: impl Reason) -> Self {
        Self { resource: Some((resource_type, name.to_string())), ..Self::new(Kind::NotFound, reason) }
    }

    /// There already, with other content.
    pub fn exists(resource_type: &'static str, name: impl Display, reason: impl Reason) -> Self {
        Self { resource: Some((resource_type, name.to_string())), ..Self::new(Kind::Exists, reason) }
    }

    /// An update whose `expected_version` is not `current_version`.
    pub fn version_conflict(current_version: i64) -> Self {
        Self::new(Kind::Conflict, common::VERSION_CONFLICT).meta("current_version", current_version)
    }

    /// A state that must change before this can be done.
    pub fn precondition(reason: impl Reason) -> Self {
        Self::new(Kind::Precondition, reason)
    }

    /// Too much or too fast; the same call may go through after `retry_after`.
    pub fn limited(reason: impl Reason, retry_after: Duration) -> Self {
        Self::new(Kind::Limited, reason).retry_after(retry_after)
    }

    /// Something that is needed does not answer.
    pub fn unavailable() -> Self {
        Self::new(Kind::Unavailable, common::UNAVAILABLE).retry_after(Duration::from_secs(1))
    }

    /// The deadline passed.
    pub fn timeout() -> Self {
        Self::new(Kind::Timeout, common::DEADLINE_EXCEEDED)
    }

    /// A fault of the server; the client gets no detail.
    pub fn internal() -> Self {
        Self::new(Kind::Internal, common::INTERNAL)
    }

    /// The same with another reason.
    #[must_use]
    pub fn reason(mut self, reason: impl Reason) -> Self {
        self.reason = reason.name();
        self
    }

    /// The same with one more fact for machines.
    #[must_use]
    pub fn meta(mut self, key: &'static str, value: impl Display) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }

    /// The same with a time to wait before the next try.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// An error that knows its class. Implementations match without a wildcard, so that a new variant must be classified.
pub trait Classify: std::error::Error {
    /// What the client is told.
    fn class(&self) -> Class;
}
