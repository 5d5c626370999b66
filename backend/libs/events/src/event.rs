//! An event: the attributes of CloudEvents 1.0, and a Protobuf message of `nova.events.v1`.

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use ids::EventId;
use uuid::{Builder, Uuid};

use crate::Topic;

/// Most bytes of `data`: an event says what happened, and is no place for contents.
pub const MAX_DATA_BYTES: usize = 256 * 1024;

/// What sort of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The CloudEvents `type`, such as `nova.user.followed.v1`.
    pub name: &'static str,
    /// The stream that such events are in.
    pub topic: Topic,
}

/// A message of `nova.events.v1`: what an event of its kind says.
pub trait Payload: prost::Message + Default {
    /// The kind that it is the data of.
    const KIND: Kind;
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same however often the event is published and delivered.
    pub id: EventId,
    /// The stream that it is in; it stands for the CloudEvents `source`.
    pub topic: Topic,
    /// The CloudEvents `type`.
    pub kind: String,
    /// The id of what it is about.
    pub subject: String,
    /// Events of one aggregate arrive in the order in which they were committed: the CloudEvents `partitionkey`.
    pub aggregate: Uuid,
    /// When it happened, to the microsecond.
    pub time: DateTime<Utc>,
    /// The trace that it belongs to, as W3C writes it.
    pub traceparent: Option<String>,
    /// The encoded message, at most [`MAX_DATA_BYTES`].
    pub data: Vec<u8>,
}

/// The event is not what it was read as.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is of another kind.
    #[error("the event is a {found}, not a {expected}")]
    Kind {
        /// Its kind.
        found: String,
        /// The kind that it was read as.
        expected: &'static str,
    },
    /// Its data is no such message.
    #[error("the data of a {kind} can't be read")]
    Data {
        /// Its kind.
        kind: &'static str,
        /// What is wrong.
        #[source]
        source: prost::DecodeError,
    },
}

impl Event {
    /// A new event about `aggregate`, which is its subject too unless [`Self::about`] names another.
    pub fn new<P: Payload>(id: EventId, time: DateTime<Utc>, aggregate: Uuid, payload: &P) -> Self {
        Self {
            id,
            topic: P::KIND.topic,
            kind: P::KIND.name.to_owned(),
            subject: aggregate.to_string(),
            aggregate,
            time,
            traceparent: None,
            data: payload.encode_to_vec(),
        }
    }

    /// Names the subject.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Puts the event into a trace.
    #[must_use]
    pub fn traced(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// Whether it is of `P`'s kind.
    pub fn is<P: Payload>(&self) -> bool {
        self.kind == P::KIND.name
    }

    /// What it says.
    ///
    /// # Errors
    /// If it is of another kind, or its data is damaged.
    pub fn decode<P: Payload>(&self) -> Result<P, DecodeError> {
        if !self.is::<P>() {
            return Err(DecodeError::Kind { found: self.kind.clone(), expected: P::KIND.name });
        }
        P::decode(self.data.as_slice()).map_err(|source| DecodeError::Data { kind: P::KIND.name, source })
    }

    /// The id of the `number`-th event of an aggregate, for a source that makes events of a log of its own: the same row gives
    /// the same id each time that it is read (a UUIDv8 of SHA-256).
    pub fn derived_id(topic: Topic, aggregate: Uuid, number: i64) -> EventId {
        Self::id_of(topic, aggregate, number, &[])
    }

    /// The same for a log that gives numbers a second time, after it was restored: `log` tells the second event of a number from
    /// the first, which others may remember.
    pub fn derived_id_in(log: i32, topic: Topic, aggregate: Uuid, number: i64) -> EventId {
        Self::id_of(topic, aggregate, number, &log.to_be_bytes())
    }

    fn id_of(topic: Topic, aggregate: Uuid, number: i64, log: &[u8]) -> EventId {
        let mut hash = Context::new(&SHA256);
        hash.update(topic.name().as_bytes());
        hash.update(aggregate.as_bytes());
        hash.update(&number.to_be_bytes());
        hash.update(log);
        let digest = hash.finish();
        let bytes = digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
        Builder::from_custom_bytes(*bytes).into_uuid().into()
    }
}

#[cfg(test)]
mod tests {
    use protos::events::v1::{UserBlocked, UserUnblocked};

    use super::*;

    fn blocked() -> (UserBlocked, Event) {
        let now = DateTime::from_timestamp(1_795_435_200, 0).expect("valid");
        let payload = UserBlocked { blocker_id: "a".to_owned(), blocked_id: "b".to_owned() };
        let event = Event::new(EventId::generate(now), now, Uuid::from_u128(7), &payload);
        (payload, event)
    }

    #[test]
    fn an_event_says_what_was_put_into_it() {
        let (payload, event) = blocked();
        assert_eq!((event.kind.as_str(), event.topic), ("nova.user.blocked.v1", Topic::User));
        assert_eq!(event.decode::<UserBlocked>().expect("its own kind"), payload);
    }

    #[test]
    fn an_event_is_not_read_as_another_kind_nor_damaged() {
        let (_, mut event) = blocked();
        // The two messages have the same fields.
        assert!(matches!(event.decode::<UserUnblocked>(), Err(DecodeError::Kind { .. })));
        event.data = vec![0xff];
        assert!(matches!(event.decode::<UserBlocked>(), Err(DecodeError::Data { .. })));
    }

    #[test]
    fn a_derived_id_depends_on_topic_aggregate_and_number() {
        let id = |topic, aggregate, number| Event::derived_id(topic, Uuid::from_u128(aggregate), number);
        let one = id(Topic::Messaging, 1, 1);
        assert_eq!(one, id(Topic::Messaging, 1, 1));
        assert_eq!(one.uuid().get_version_num(), 8);
        let elsewhere = Event::derived_id_in(7, Topic::Messaging, Uuid::from_u128(1), 1);
        for other in [id(Topic::User, 1, 1), id(Topic::Messaging, 2, 1), id(Topic::Messaging, 1, 2), elsewhere] {
            assert_ne!(one, other);
        }
    }
}
