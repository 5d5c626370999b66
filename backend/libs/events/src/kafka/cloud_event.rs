//! Events as Kafka messages: CloudEvents 1.0 in binary content mode (Kafka protocol binding 1.0).

use chrono::{DateTime, Utc};
use ids::EventId;
use rdkafka::Message;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use uuid::Uuid;

use crate::{Event, Topic};

const CONTENT_TYPE: &str = "application/protobuf";

/// The attributes.
pub(super) fn headers(event: &Event) -> OwnedHeaders {
    let (id, time, aggregate) = (event.id.to_string(), clock::rfc3339(event.time), event.aggregate.to_string());
    let attributes = [
        ("ce_specversion", Some("1.0")),
        ("ce_id", Some(id.as_str())),
        ("ce_source", Some(event.topic.source())),
        ("ce_type", Some(event.kind.as_str())),
        ("ce_subject", Some(event.subject.as_str())),
        ("ce_time", Some(time.as_str())),
        ("ce_partitionkey", Some(aggregate.as_str())),
        ("ce_traceparent", event.traceparent.as_deref()),
        ("content-type", Some(CONTENT_TYPE)),
    ];
    let mut headers = OwnedHeaders::new_with_capacity(attributes.len());
    for (key, value) in attributes {
        if value.is_some() {
            headers = headers.insert(Header { key, value });
        }
    }
    headers
}

/// The event in a message; none if somebody else has put something of their own there.
pub(super) fn event(message: &impl Message) -> Option<Event> {
    let headers = message.headers()?;
    let attribute = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    };
    if attribute("ce_specversion")? != "1.0" || attribute("content-type")? != CONTENT_TYPE {
        return None;
    }
    Some(Event {
        id: EventId::parse(attribute("ce_id")?).ok()?,
        topic: Topic::of_name(message.topic())?,
        kind: attribute("ce_type")?.to_owned(),
        subject: attribute("ce_subject")?.to_owned(),
        aggregate: Uuid::try_parse(attribute("ce_partitionkey")?).ok()?,
        time: DateTime::parse_from_rfc3339(attribute("ce_time")?).ok()?.with_timezone(&Utc),
        traceparent: attribute("ce_traceparent").map(str::to_owned),
        data: message.payload().unwrap_or_default().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use protos::events::v1::UserDeleted;
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;

    fn message(headers: Option<OwnedHeaders>, data: Vec<u8>) -> OwnedMessage {
        OwnedMessage::new(Some(data), None, "nova.auth.v1".to_owned(), Timestamp::NotAvailable, 0, 0, headers)
    }

    fn deleted() -> Event {
        let now = DateTime::from_timestamp_micros(1_795_435_200_123_456).expect("valid");
        let payload = UserDeleted { user_id: "ü".to_owned() };
        Event::new(EventId::generate(now), now, Uuid::from_u128(5), &payload).about("somebody")
    }

    #[test]
    fn an_event_comes_out_of_a_message_as_it_went_in() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
        for sent in [deleted(), deleted().traced(Some(trace))] {
            assert_eq!(event(&message(Some(headers(&sent)), sent.data.clone())), Some(sent));
        }
    }

    #[test]
    fn what_is_no_event_of_ours_is_none() {
        assert_eq!(event(&message(None, vec![1])), None);
        let foreign = OwnedHeaders::new().insert(Header { key: "ce_specversion", value: Some("1.0") });
        assert_eq!(event(&message(Some(foreign), vec![1])), None);
    }
}
