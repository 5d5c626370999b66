//! What the service asks of others and tells them.

mod accounts;
mod contacts;

pub use accounts::{Accounts, Unreachable};
pub use contacts::{Contacts, Unsettled};
