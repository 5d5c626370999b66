//! Section `[<service>.redis]`.

use serde::{Deserialize, Serialize};

use super::{Fault, Secret, Validate};

/// `[<service>.redis]`: what replicas of a service share besides their database. Never needed: without it, and while it is away,
/// each replica goes by what it knows itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://user:password@host:port/number`. Empty: none.
    pub url: Secret,
}

impl Validate for Redis {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !self.url.is_empty()
            && let Err(bad) = broadcast::check(self.url.expose())
        {
            faults.push(Fault::new(format!("{section}.url"), bad.to_string()));
        }
    }
}
