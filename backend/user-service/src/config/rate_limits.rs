//! Section `[user.rate_limits]`: how many calls are taken from whom.

use chassis::config::{Fault, Validate};
use limits::{Class, Classes, Rate};
use serde::{Deserialize, Serialize};

/// `[user.rate_limits]`. A rate is written `100/s burst 300` or `10/min`; `off` is none.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Whether there are limits at all.
    pub enabled: bool,
    /// People and addresses that are remembered at once, 32 bytes each; those that called least are forgotten first.
    pub max_keys: usize,
    /// All calls of one person.
    pub calls_per_person: Rate,
    /// All calls from one address (IPv4) or network (IPv6, /64), whoever makes them.
    pub calls_per_address: Rate,
    /// SearchUsers.
    pub search_per_person: Rate,
    /// FollowUser, UnfollowUser, BlockUser, UnblockUser, RespondToFollowRequest.
    pub relations_per_person: Rate,
    /// GetUserProfilesByIds.
    pub batch_per_person: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            enabled: true,
            max_keys: 250_000,
            // An app that starts asks for a screenful at once; nobody reads a hundred answers a second.
            calls_per_person: Rate::per_second(100).burst(300),
            // A whole office or mobile network behind one address.
            calls_per_address: Rate::per_second(300).burst(1000),
            // Somebody types, and each letter is a search; a search costs what a hundred look-ups do.
            search_per_person: Rate::per_second(10).burst(20),
            // Each is something that another person is told of, and takes locks; a burst tidies up a list.
            relations_per_person: Rate::per_second(5).burst(100),
            // Each is up to a hundred profiles.
            batch_per_person: Rate::per_second(20).burst(100),
        }
    }
}

impl RateLimits {
    /// As the limiter wants them; nothing if there are none.
    pub fn classes(&self) -> Option<Classes> {
        self.enabled.then(|| Classes {
            calls: Class::new("calls").per_person(self.calls_per_person).per_address(self.calls_per_address),
            special: vec![
                Class::new("search").per_person(self.search_per_person),
                Class::new("relations").per_person(self.relations_per_person),
                Class::new("batch").per_person(self.batch_per_person),
            ],
        })
    }
}

impl Validate for RateLimits {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !(1_000..=100_000_000).contains(&self.max_keys) {
            faults.push(Fault::new(format!("{section}.max_keys"), "must be 1000 to 100000000"));
        }
    }
}
