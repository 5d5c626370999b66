//! What is sent: a CloudEvent 1.0 in JSON, structured mode, its data as proto3 writes JSON.

use std::sync::LazyLock;

use events::{Event, KINDS};
use ids::{EventId, WebhookId};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

/// The type of test events.
pub(super) const TEST_KIND: &str = "nova.webhook.test.v1";
/// The stream of test events: none of the bus.
pub(super) const TEST_TOPIC: &str = "nova.webhooks";

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the descriptors were made by this build")
});

/// An event can't be written as JSON.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvelopeError {
    /// There is no such kind.
    #[error("no message is known that says {0}")]
    Kind(String),
    /// Its data is damaged.
    #[error("the data of a {kind} can't be read")]
    Data {
        /// Its kind.
        kind: String,
        /// What is wrong.
        #[source]
        source: prost_reflect::prost::DecodeError,
    },
    /// JSON can't say it.
    #[error("JSON can't say it")]
    Json(#[from] serde_json::Error),
}

/// The body that says an event.
pub(super) fn body(event: &Event) -> Result<Vec<u8>, EnvelopeError> {
    let unknown = || EnvelopeError::Kind(event.kind.clone());
    let (_, message) = KINDS.iter().find(|(kind, _)| kind.name == event.kind).ok_or_else(unknown)?;
    let descriptor = POOL.get_message_by_name(&format!("nova.events.v1.{message}")).ok_or_else(unknown)?;
    let damaged = |source| EnvelopeError::Data { kind: event.kind.clone(), source };
    let message = DynamicMessage::decode(descriptor, event.data.as_slice()).map_err(damaged)?;
    // As REST shows messages: fields that have their default are there too.
    let options = SerializeOptions::new().skip_default_fields(false);
    let data = message.serialize_with_options(serde_json::value::Serializer, &options)?;
    let mut envelope = json!({
        "specversion": "1.0",
        "id": event.id.to_string(),
        "source": event.topic.source(),
        "type": event.kind,
        "subject": event.subject,
        "time": clock::rfc3339(event.time),
        "partitionkey": event.aggregate.to_string(),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let Some(traceparent) = &event.traceparent {
        envelope["traceparent"] = Value::String(traceparent.clone());
    }
    Ok(serde_json::to_vec(&envelope)?)
}

/// The body of a test event.
pub(super) fn test_body(id: EventId, webhook: WebhookId, time: &str) -> Vec<u8> {
    let envelope = json!({
        "specversion": "1.0",
        "id": id.to_string(),
        "source": "/nova/auth",
        "type": TEST_KIND,
        "subject": webhook.to_string(),
        "time": time,
        "partitionkey": id.to_string(),
        "datacontenttype": "application/json",
        "data": { "webhookId": webhook.to_string() },
    });
    envelope.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use protos::events::v1::{MessageSent, UserRegistered};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_is_written_as_a_cloud_event() {
        let at = DateTime::from_timestamp_micros(1_795_435_200_123_456).expect("valid");
        let (id, user) = (Uuid::from_u128(1).into(), Uuid::from_u128(2));
        let payload = UserRegistered { user_id: user.to_string(), username: "Ann".to_owned(), display_name: None };
        let body = body(&Event::new(id, at, user, &payload)).expect("known");
        let read: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(
            read,
            json!({
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000001",
                "source": "/nova/auth",
                "type": "nova.user.registered.v1",
                "subject": user.to_string(),
                "time": clock::rfc3339(at),
                "partitionkey": user.to_string(),
                "datacontenttype": "application/json",
                "data": { "userId": user.to_string(), "username": "Ann" },
            })
        );
    }

    #[test]
    fn numbers_of_64_bits_are_texts_and_defaults_are_there() {
        let payload = MessageSent { sequence: i64::MAX, ..MessageSent::default() };
        let event = Event::new(Uuid::from_u128(1).into(), DateTime::UNIX_EPOCH, Uuid::from_u128(2), &payload);
        let read: Value = serde_json::from_slice(&body(&event).expect("known")).expect("JSON");
        assert_eq!(read["data"]["sequence"], "9223372036854775807");
        assert_eq!(read["data"]["conversationId"], "");
    }

    #[test]
    fn every_kind_of_event_has_a_body() {
        for (kind, _) in KINDS {
            let event = Event {
                kind: kind.name.to_owned(),
                topic: kind.topic,
                data: vec![],
                ..Event::new(
                    Uuid::from_u128(1).into(),
                    DateTime::UNIX_EPOCH,
                    Uuid::from_u128(2),
                    &UserRegistered::default(),
                )
            };
            assert!(body(&event).is_ok(), "{}", kind.name);
        }
    }

    #[test]
    fn what_can_not_be_read_is_not_sent() {
        let payload = UserRegistered::default();
        let event = Event::new(Uuid::from_u128(1).into(), DateTime::UNIX_EPOCH, Uuid::from_u128(2), &payload);
        let damaged = Event { data: vec![0xff], ..event.clone() };
        assert!(matches!(body(&damaged), Err(EnvelopeError::Data { .. })));
        let unknown = Event { kind: "nova.user.married.v1".to_owned(), ..event };
        assert!(matches!(body(&unknown), Err(EnvelopeError::Kind(_))));
    }
}
