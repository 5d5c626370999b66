//! Webhooks: what they want, what state they and their deliveries are in.

use chrono::{DateTime, Utc};
use events::{Event, KINDS};
use ids::{DeliveryId, WebhookId};
use uuid::Uuid;

/// All types of events.
const ALL: &str = "*";
/// Most types that a webhook may name.
pub const MAX_EVENT_TYPES: usize = 50;
/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 200;

/// Why a list of types of events is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventTypesError {
    /// Too many or none.
    #[error("must have 1 to {MAX_EVENT_TYPES} types of events, or * alone for all")]
    Count,
    /// There is no such type.
    #[error("there is no event of type {0:?}; docs/WEBHOOKS.md lists them")]
    Unknown(String),
}

/// The types of events that a webhook wants, in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypes(Vec<String>);

impl EventTypes {
    /// Reads a list: `*` alone for all, or names of types.
    ///
    /// # Errors
    /// [`EventTypesError`] says what is wrong.
    pub fn parse(names: Vec<String>) -> Result<Self, EventTypesError> {
        if names == [ALL] {
            return Ok(Self(names));
        }
        if !(1..=MAX_EVENT_TYPES).contains(&names.len()) {
            return Err(EventTypesError::Count);
        }
        if let Some(unknown) = names.iter().find(|name| KINDS.iter().all(|(kind, _)| kind.name != name.as_str())) {
            return Err(EventTypesError::Unknown(unknown.chars().take(100).collect()));
        }
        let mut names = names;
        names.sort_unstable();
        names.dedup();
        Ok(Self(names))
    }

    /// As stored.
    pub fn from_stored(names: Vec<String>) -> Self {
        Self(names)
    }

    /// The names; `*` alone for all.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether an event is wanted.
    pub fn want(&self, event: &Event) -> bool {
        self.0.iter().any(|name| name == ALL || *name == event.kind)
    }
}

/// Why nothing is sent to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// An administrator wants it so.
    ByAdministrator,
    /// The receiver answered 410.
    Gone,
    /// Everything failed for as long as deliveries are tried.
    Failing,
}

impl DisabledReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::ByAdministrator, Self::Gone, Self::Failing];

    /// The name, the same in the table and over the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByAdministrator => "BY_ADMINISTRATOR",
            Self::Gone => "GONE",
            Self::Failing => "FAILING",
        }
    }

    /// The reason that has a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// What has become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name, the same in the table and over the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }

    /// The state that has a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An address that events are sent to.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it wants.
    pub event_types: EventTypes,
    /// Why nothing is sent; none: it is enabled.
    pub disabled: Option<DisabledReason>,
    /// Since when every attempt has failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before the present one signs too.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// Deliveries that wait, counted up to a bound.
    pub pending: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Counts the changes, from 1 on.
    pub version: i64,
}

/// An event on its way to a webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Its place among all.
    pub position: i64,
    /// Where to.
    pub webhook: WebhookId,
    /// The event.
    pub event: Uuid,
    /// The event's type.
    pub kind: String,
    /// The stream of events that it came in.
    pub topic: String,
    /// What the event is about.
    pub aggregate: Uuid,
    /// What has become of it.
    pub state: State,
    /// Attempts so far.
    pub attempts: i32,
    /// When it is tried again; none if it is not, waits for one before it, or is being tried.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// HTTP status of the last attempt.
    pub last_status: Option<i16>,
    /// Why the last attempt had no answer.
    pub last_fault: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it arrived or was given up.
    pub done_at: Option<DateTime<Utc>>,
}

/// One try to deliver.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its number, from 1 on.
    pub number: i32,
    /// When it began.
    pub at: DateTime<Utc>,
    /// HTTP status of the answer.
    pub status: Option<i16>,
    /// Why there was none.
    pub fault: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The beginning of the answer.
    pub answer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn types_are_sorted_and_told_once() {
        let types =
            EventTypes::parse(names(&["nova.user.registered.v1", "nova.message.sent.v1", "nova.message.sent.v1"]));
        assert_eq!(types.expect("known").names(), ["nova.message.sent.v1", "nova.user.registered.v1"]);
        assert_eq!(EventTypes::parse(names(&["*"])).expect("all").names(), ["*"]);
    }

    #[test]
    fn a_type_that_is_not_there_is_refused() {
        assert_eq!(EventTypes::parse(vec![]), Err(EventTypesError::Count));
        assert_eq!(EventTypes::parse(vec!["nova.message.sent.v1".into(); 51]), Err(EventTypesError::Count));
        for unknown in ["", "*", "nova.user.*", "nova.message.sent.v2"] {
            let list = names(&[unknown, "nova.message.sent.v1"]);
            assert_eq!(EventTypes::parse(list), Err(EventTypesError::Unknown(unknown.to_owned())));
        }
    }

    #[test]
    fn every_reason_and_state_is_found_by_its_name() {
        for reason in DisabledReason::ALL {
            assert_eq!(DisabledReason::parse(reason.name()), Some(reason));
        }
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
    }
}
