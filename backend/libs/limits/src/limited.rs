//! The refusal.

use std::fmt;
use std::time::Duration;

use errors::{Class, Classify, common};

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The calls of a person.
    Caller,
    /// The calls from an address.
    Address,
    /// The calls that name an account.
    Account,
}

impl Scope {
    /// As it is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Address => "address",
            Self::Account => "account",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Too many calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls of this kind, wait before the next")]
pub struct Limited {
    /// The class whose limit it is.
    pub limit: &'static str,
    /// What was counted.
    pub scope: Scope,
    /// After this time one more is taken, if no other comes first.
    pub wait: Duration,
}

impl Classify for Limited {
    fn class(&self) -> Class {
        Class::limited(common::RATE_LIMITED, self.wait).meta("limit", self.limit).meta("scope", self.scope)
    }
}
