//! Section `[messaging.rate_limits]`: how many calls are taken from whom.

use chassis::config::{Fault, Validate};
use limits::{Class, Classes, Rate};
use serde::{Deserialize, Serialize};

use super::within;

/// `[messaging.rate_limits]`. A rate is written `100/s burst 300` or `10/min`; `off` is none.
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
    /// SendMessage, UpdateMessage and DeleteMessage.
    pub send_per_person: Rate,
    /// CreateConversation and AddMembers.
    pub invite_per_person: Rate,
    /// SendTyping.
    pub typing_per_person: Rate,
    /// Starts of StreamEvents; how many are open at once is `streams.max_per_user`.
    pub stream_per_person: Rate,
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
            // Far more than anybody types; a phone that comes back from a tunnel, or a bot, sends what has gathered.
            send_per_person: Rate::per_second(50).burst(200),
            // Each shows up in the lists of up to a thousand people who did not ask for it. A burst sets up a team.
            invite_per_person: Rate::per_minute(20).burst(60),
            // A client repeats it every few seconds, and several devices and conversations may be at it.
            typing_per_person: Rate::per_second(5).burst(20),
            // Each device comes back once; a broken one must not come back in a loop, since each time the log is read.
            stream_per_person: Rate::per_second(1).burst(60),
        }
    }
}

impl RateLimits {
    /// As the limiter wants them; nothing if there are none.
    pub fn classes(&self) -> Option<Classes> {
        self.enabled.then(|| Classes {
            calls: Class::new("calls").per_person(self.calls_per_person).per_address(self.calls_per_address),
            special: vec![
                Class::new("send").per_person(self.send_per_person),
                Class::new("invite").per_person(self.invite_per_person),
                Class::new("typing").per_person(self.typing_per_person),
                Class::new("stream").per_person(self.stream_per_person),
            ],
        })
    }
}

impl Validate for RateLimits {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        within(section, faults, "max_keys", self.max_keys, 1_000..=100_000_000);
    }
}
