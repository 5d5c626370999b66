//! `[auth.webhooks]`.

use std::path::Path;
use std::time::Duration;

use chassis::config::{Fault, Validate, duration};
use serde::{Deserialize, Serialize};
use webhooks::{Guard, Limits, Schedule};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[auth.webhooks]`: events that are sent to addresses of administrators' choice.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Networks besides the public internet that may be sent to, such as `10.0.0.0/8`; there `http://` works too.
    pub allow_networks: Vec<String>,
    /// Authorities, in PEM, that are believed besides the system's. Empty: none.
    pub ca: String,
    /// Most webhooks.
    pub max_webhooks: usize,
    /// Deliveries that each process sends to one webhook at once.
    pub max_in_flight_per_webhook: usize,
    /// Deliveries that each process sends at once.
    pub max_in_flight: usize,
    /// How long resolving a name, connecting and TLS may take.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// How long a delivery may take in all.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How often what is due is looked for.
    #[serde(with = "duration")]
    pub poll_interval: Duration,
    /// How long a delivery is tried.
    #[serde(with = "duration")]
    pub give_up_after: Duration,
    /// How long a secret goes on signing after it was rotated.
    #[serde(with = "duration")]
    pub secret_overlap: Duration,
    /// How long deliveries and their attempts are kept.
    #[serde(with = "duration")]
    pub retention: Duration,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow_networks: vec![],
            ca: String::new(),
            max_webhooks: 100,
            max_in_flight_per_webhook: 8,
            max_in_flight: 64,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            poll_interval: Duration::from_millis(500),
            give_up_after: 3 * DAY,
            secret_overlap: DAY,
            retention: 14 * DAY,
        }
    }
}

impl Webhooks {
    /// Which network addresses may be reached. What is no network names none.
    pub fn guard(&self) -> Guard {
        Guard::new(self.allow_networks.iter().filter_map(|network| network.parse().ok()).collect())
    }

    /// How long a delivery may take.
    pub fn limits(&self) -> Limits {
        Limits { connect: self.connect_timeout, whole: self.timeout }
    }

    /// When a delivery that failed is tried again.
    pub fn schedule(&self) -> Schedule {
        Schedule { give_up_after: self.give_up_after }
    }

    /// The file of [`Self::ca`].
    pub fn authorities(&self) -> Option<&Path> {
        Some(Path::new(&self.ca)).filter(|path| !path.as_os_str().is_empty())
    }
}

impl Validate for Webhooks {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        let networks = self.allow_networks.iter().all(|network| network.parse::<ipnet::IpNet>().is_ok());
        rule(networks, "allow_networks", "must be networks such as 10.0.0.0/8 or ::1/128");
        rule((1..=1000).contains(&self.max_webhooks), "max_webhooks", "must be 1 to 1000");
        let each = (1..=self.max_in_flight).contains(&self.max_in_flight_per_webhook);
        rule(each, "max_in_flight_per_webhook", "must be 1 to max_in_flight");
        rule((1..=1000).contains(&self.max_in_flight), "max_in_flight", "must be 1 to 1000");
        let (tick, second, minute) = (Duration::from_millis(10), Duration::from_secs(1), Duration::from_secs(60));
        rule((tick..=self.timeout).contains(&self.connect_timeout), "connect_timeout", "must be 10ms to timeout");
        rule((tick..=minute).contains(&self.timeout), "timeout", "must be 10ms to 1m");
        rule((tick..=minute).contains(&self.poll_interval), "poll_interval", "must be 10ms to 1m");
        rule((second..=30 * DAY).contains(&self.give_up_after), "give_up_after", "must be 1s to 30days");
        rule(self.secret_overlap <= 30 * DAY, "secret_overlap", "must be at most 30days");
        let kept = (self.give_up_after..=365 * DAY).contains(&self.retention);
        rule(kept, "retention", "must be give_up_after to 365days");
    }
}
