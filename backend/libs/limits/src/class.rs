//! Classes of calls, and what is admitted of each.

use crate::Rate;

/// Which RPC is of which class, such as `("Login", "login")`.
pub type RateTable = &'static [(&'static str, &'static str)];

/// A class of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// What it is called in the configuration and towards clients.
    pub name: &'static str,
    /// From one person.
    pub per_person: Rate,
    /// From one address, whoever calls.
    pub per_address: Rate,
    /// For one account that is named in the call; checked by whoever reads the call.
    pub per_account: Rate,
}

impl Class {
    /// A class without limits.
    pub const fn new(name: &'static str) -> Self {
        Self { name, per_person: Rate::OFF, per_address: Rate::OFF, per_account: Rate::OFF }
    }

    /// The same with a limit for each person.
    #[must_use]
    pub const fn per_person(self, per_person: Rate) -> Self {
        Self { per_person, ..self }
    }

    /// The same with a limit for each address.
    #[must_use]
    pub const fn per_address(self, per_address: Rate) -> Self {
        Self { per_address, ..self }
    }

    /// The same with a limit for each account.
    #[must_use]
    pub const fn per_account(self, per_account: Rate) -> Self {
        Self { per_account, ..self }
    }
}

/// The classes of a service.
#[derive(Clone, Debug)]
pub struct Classes {
    /// What every call is counted in.
    pub calls: Class,
    /// What some are counted in besides.
    pub special: Vec<Class>,
}

/// A row of a table names a class that there is not.
#[derive(Debug, thiserror::Error)]
#[error("{rpc} is of class {class}, which has no limits")]
pub struct UnknownClass {
    /// The RPC.
    pub rpc: &'static str,
    /// The class.
    pub class: &'static str,
}
