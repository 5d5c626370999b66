//! Section `[<service>.events]`.

use std::time::Duration;

use events::ConsumerOptions;
use serde::{Deserialize, Serialize};

use super::{Database, Fault, Validate, duration};

/// The name of the log's database where Nova finds or makes it by itself.
pub const EVENTS_DATABASE: &str = "nova_events";

/// Connections to the log: one publishes, one reads at a time for each consumer and tap.
const CONNECTIONS: usize = 4;

/// `[<service>.events]`: the bus that tells the services of each other's changes. Without one everything works, events wait where
/// they were written, and what the services learn from each other they learn by calls alone.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// The log's database, which all services share. An empty address means that of Nova's own PostgreSQL, or `nova_events` on the
    /// server that `DATABASE_URL` names.
    pub database: Database,
    /// How long the log keeps events: a consumer that is away for longer misses some.
    #[serde(with = "duration")]
    pub retention: Duration,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            database: Database { max_connections: CONNECTIONS, ..Database::default() },
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Events {
    /// The databases that it needs, by their names.
    pub fn databases_mut(&mut self) -> Vec<(&'static str, &mut Database)> {
        vec![(EVENTS_DATABASE, &mut self.database)]
    }

    /// How consumers go about it: they remember for longer than the bus keeps.
    pub fn consumer_options(&self) -> ConsumerOptions {
        ConsumerOptions { remember: self.retention * 2, ..ConsumerOptions::default() }
    }

    /// Checks its rules; `own` is the service's database.
    pub fn validate(&self, section: &str, own: &Database, faults: &mut Vec<Fault>) {
        self.database.validate(&format!("{section}.database"), faults);
        let mut fault = |key: &str, problem: &str| faults.push(Fault::new(format!("{section}.{key}"), problem));
        if self.database.url.is_empty() && !own.url.is_empty() {
            fault(
                "database.url",
                "must be set where the service's database.url is: the services share one log of events",
            );
        } else if !self.database.url.is_empty() && self.database.url == own.url {
            fault("database.url", "must be another database than the service's own");
        }
        if !(Duration::from_secs(3600)..=Duration::from_secs(90 * 24 * 3600)).contains(&self.retention) {
            fault("retention", "must be 1h to 90days");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(events: &Events, own: &str) -> Vec<String> {
        let own = Database { url: own.into(), ..Database::default() };
        let mut faults = vec![];
        events.validate("user.events", &own, &mut faults);
        faults.into_iter().map(|fault| fault.key).collect()
    }

    fn at(url: &str) -> Events {
        let database = Database { url: url.into(), ..Events::default().database };
        Events { database, ..Events::default() }
    }

    #[test]
    fn who_names_a_database_of_the_service_names_the_logs_too() {
        let (own, log) = ("postgres://nova@db/user", "postgres://nova@db/events");
        assert_eq!(faults(&at(""), ""), Vec::<String>::new());
        assert_eq!(faults(&at(log), own), Vec::<String>::new());
        assert_eq!(faults(&at(log), ""), Vec::<String>::new());
        assert_eq!(faults(&at(""), own), ["user.events.database.url"]);
        assert_eq!(faults(&at(own), own), ["user.events.database.url"]);
    }

    #[test]
    fn what_was_acted_on_is_remembered_for_longer_than_events_are_kept() {
        assert!(Events::default().consumer_options().remember > Events::default().retention);
        let brief = Events { retention: Duration::from_secs(60), ..Events::default() };
        assert_eq!(faults(&brief, ""), ["user.events.retention"]);
    }
}
