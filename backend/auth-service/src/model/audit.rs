//! What the audit log is made of: security events, and where their calls came from.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use authn::Caller;
use chrono::{DateTime, TimeDelta, Utc};
use errors::Reason;
use ids::{SessionId, UserId};
use uuid::{ContextV7, Timestamp, Uuid};

pub use super::audit_kind::Kind;

/// Longest user agent that is kept, in characters.
const MAX_USER_AGENT: usize = 256;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused; the detail `reason` says why.
    Failure,
}

impl Outcome {
    /// The name, the same in the table and over the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
        }
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who has not proven who they are.
    Anonymous,
    /// A person.
    User(UserId),
    /// A service, by its client id.
    Service(String),
    /// Whoever runs `nova admin`.
    Operator,
}

impl Actor {
    /// The name of its type, the same in the table and over the wire.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Anonymous => "ANONYMOUS",
            Self::User(_) => "USER",
            Self::Service(_) => "SERVICE",
            Self::Operator => "OPERATOR",
        }
    }

    /// The person's or the service's id; nothing for the others.
    pub fn id(&self) -> String {
        match self {
            Self::User(user) => user.to_string(),
            Self::Service(client_id) => client_id.clone(),
            Self::Anonymous | Self::Operator => String::new(),
        }
    }
}

/// One thing that happened. Details are short texts; none may be a secret, an e-mail, or anything that somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// Whom it concerns; nobody if no account was meant.
    pub subject: Option<UserId>,
    /// The session that it concerns, else the one that called.
    pub session: Option<SessionId>,
    /// What else is to be said.
    pub details: BTreeMap<&'static str, String>,
}

impl Event {
    /// What `actor` did.
    pub fn new(kind: Kind, actor: Actor) -> Self {
        Self { kind, outcome: Outcome::Success, actor, subject: None, session: None, details: BTreeMap::new() }
    }

    /// What a caller did.
    pub fn by(caller: &Caller, kind: Kind) -> Self {
        let actor = match (caller.user_id(), caller.client_id()) {
            (Some(user), _) => Actor::User(user),
            (None, Some(client_id)) => Actor::Service(client_id.to_owned()),
            (None, None) => Actor::Anonymous,
        };
        Self { session: caller.session_id(), ..Self::new(kind, actor) }
    }

    /// What somebody did of whom no more is known than what they had.
    pub fn anonymous(kind: Kind) -> Self {
        Self::new(kind, Actor::Anonymous)
    }

    /// What a person did without a token, having proven who they are.
    pub fn of_person(kind: Kind, user: UserId) -> Self {
        Self::new(kind, Actor::User(user)).on(user)
    }

    /// The same, concerning this person.
    #[must_use]
    pub fn on(self, user: UserId) -> Self {
        Self { subject: Some(user), ..self }
    }

    /// The same, concerning this session.
    #[must_use]
    pub fn in_session(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The same, refused.
    #[must_use]
    pub fn refused(mut self, reason: impl Reason) -> Self {
        self.outcome = Outcome::Failure;
        self.with("reason", reason.name())
    }

    /// The same with a detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details.insert(name, value.to_string());
        self
    }
}

/// Where a call came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client says it is.
    pub user_agent: Arc<str>,
    /// The call's name in the log.
    pub request_id: Arc<str>,
}

impl Origin {
    /// Where a call came from; the user agent is cut, and what is no printable text of it left out.
    pub fn new(address: Option<IpAddr>, user_agent: &str, request_id: Arc<str>) -> Self {
        let user_agent: String = user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
        // An IPv4 address that came over a socket for both kinds is the same address.
        Self { address: address.map(|address| address.to_canonical()), user_agent: user_agent.into(), request_id }
    }
}

/// A row of the log as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id, in the order of time.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Name of the [`Kind`].
    pub kind: String,
    /// Name of the [`Outcome`].
    pub outcome: String,
    /// Name of the [`Actor`]'s type.
    pub actor_type: String,
    /// The actor's id.
    pub actor: String,
    /// Whom it concerns.
    pub subject: Option<UserId>,
    /// The session.
    pub session: Option<SessionId>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client says it is.
    pub user_agent: String,
    /// The call's name in the log.
    pub request_id: String,
    /// What else is to be said.
    pub details: BTreeMap<String, String>,
}

impl Entry {
    /// The row of an event.
    pub fn new(event: Event, origin: &Origin, now: DateTime<Utc>) -> Self {
        let (seconds, nanos) = (u64::try_from(now.timestamp()).unwrap_or(0), now.timestamp_subsec_nanos());
        // Ids order events by the microsecond, not only by the millisecond (RFC 9562, section 6.2, method 3).
        let context = ContextV7::new().with_additional_precision();
        let time = Timestamp::from_unix(&context, seconds, nanos);
        Self {
            id: Uuid::new_v7(time),
            at: now,
            kind: event.kind.name().to_owned(),
            outcome: event.outcome.name().to_owned(),
            actor_type: event.actor.type_name().to_owned(),
            actor: event.actor.id(),
            subject: event.subject,
            session: event.session,
            address: origin.address,
            user_agent: origin.user_agent.to_string(),
            request_id: origin.request_id.to_string(),
            details: event.details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    /// The rows of what one transaction did, in this order: a microsecond apart, for ids are in the order of time.
    pub fn all(events: impl IntoIterator<Item = Event>, origin: &Origin, now: DateTime<Utc>) -> Vec<Self> {
        let times = (0..).map(|n| now + TimeDelta::microseconds(n));
        events.into_iter().zip(times).map(|(event, at)| Self::new(event, origin, at)).collect()
    }

    /// The row as the person sees whom it concerns: of what others did, not who they are nor from where.
    #[must_use]
    pub fn for_subject(mut self, user: UserId) -> Self {
        let is_stranger = match self.actor_type.as_str() {
            "ANONYMOUS" => false,
            "USER" => self.actor != user.to_string(),
            _ => true,
        };
        if is_stranger {
            self.actor.clear();
            self.session = None;
            self.address = None;
            self.user_agent.clear();
            self.request_id.clear();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_time() {
        let now = DateTime::from_timestamp_micros(1_795_435_200_123_456).expect("valid");
        let entries = Entry::all((0..500).map(|_| Event::anonymous(Kind::Lock)), &Origin::default(), now);
        assert!(entries.is_sorted_by(|a, b| a.id < b.id && a.at < b.at));
    }

    #[test]
    fn an_origin_is_cut_and_cleaned() {
        let origin = Origin::new("::ffff:192.0.2.1".parse().ok(), &format!("a\u{7}b{}", "c".repeat(300)), "id".into());
        assert_eq!(origin.address, "192.0.2.1".parse().ok());
        assert!(origin.user_agent.starts_with("abc") && origin.user_agent.len() == 256);
    }

    #[test]
    fn the_person_concerned_does_not_see_who_else_acted() {
        let user = |n| UserId::from(Uuid::from_u128(n));
        let origin = Origin::new("192.0.2.1".parse().ok(), "agent", "id".into());
        let now = DateTime::from_timestamp(1_000, 0).expect("valid");
        let entry = |actor| Entry::new(Event::new(Kind::RoleGrant, actor).on(user(1)), &origin, now);
        for shown in [Actor::User(user(1)), Actor::Anonymous] {
            assert_eq!(entry(shown.clone()).for_subject(user(1)).user_agent, "agent", "{shown:?}");
        }
        for hidden in [Actor::User(user(2)), Actor::Service("user".into()), Actor::Operator] {
            let seen = entry(hidden).for_subject(user(1));
            assert_eq!((seen.actor.as_str(), seen.address, seen.user_agent.as_str()), ("", None, ""));
        }
    }
}
