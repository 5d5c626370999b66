//! Secrets that a service needs and nobody has set.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Database, Listen, Secret, Validate};

/// The secrets that an installation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretName {
    /// Seals what lies in the databases: 32 bytes in base64.
    MasterKey,
    /// Proves to the auth service that a caller is one of Nova's own services.
    ServiceSecret,
}

/// Gives secrets that are not configured, or notes that they should have been.
pub trait Secrets {
    /// The secret for configuration key `key`.
    fn get(&mut self, key: &str, name: SecretName) -> Secret;

    /// Master keys that what is stored may be wrapped by besides the present one: one that is taking over.
    fn other_master_keys(&mut self) -> Vec<Secret>;
}

/// The configuration of one service.
pub trait ServiceConfig: DeserializeOwned + Serialize + Default + Validate {
    /// The section, such as `auth`.
    const SECTION: &'static str;
    /// Where it listens.
    fn listen(&self) -> &Listen;
    /// Its databases, by their names where Nova manages PostgreSQL, such as `nova_auth`.
    fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)>;
    /// Asks for every secret that is empty.
    fn fill_secrets(&mut self, secrets: &mut dyn Secrets);
}
