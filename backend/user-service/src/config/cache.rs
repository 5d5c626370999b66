//! Section `[user.cache]`: what is remembered of the database.

use std::time::Duration;

use cache::Terms;
use chassis::config::{Fault, Validate, duration};
use serde::{Deserialize, Serialize};

/// Longer than this nothing may be remembered: a change of another replica is to be seen everywhere within a second.
const OLDEST: Duration = Duration::from_millis(900);

/// `[user.cache]`: what is remembered of the database.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSection {
    /// How old what another replica has changed may be when it is served; at most 900ms. `0s`: nothing is remembered.
    #[serde(with = "duration")]
    pub max_age: Duration,
    /// Profiles that are remembered at once, typically half a kilobyte each.
    pub profiles: u64,
    /// People who read, of whom it is remembered who hides from them; typically 100 bytes each.
    pub readers: u64,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self { max_age: Duration::from_millis(500), profiles: 20_000, readers: 20_000 }
    }
}

impl CacheSection {
    /// For profiles, and for who hides from whom.
    pub fn terms(&self) -> (Terms, Terms) {
        let of = |capacity| Terms { max_age: self.max_age, capacity };
        (of(self.profiles), of(self.readers))
    }
}

impl Validate for CacheSection {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if self.max_age > OLDEST {
            faults.push(Fault::new(format!("{section}.max_age"), "must be at most 900ms"));
        }
    }
}
