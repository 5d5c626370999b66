//! Events as rows: the outbox, the log and the dead letters hold the same columns.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Event, Topic};

/// A row that holds an event.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub position: i64,
    id: Uuid,
    topic: String,
    #[sqlx(rename = "type")]
    kind: String,
    subject: String,
    aggregate_id: Uuid,
    created_at: DateTime<Utc>,
    traceparent: Option<String>,
    data: Vec<u8>,
}

impl Row {
    /// The event in it, and its position in `table`.
    pub fn event(self, table: &'static str) -> Result<(i64, Event), pg::Error> {
        let Some(topic) = Topic::of_name(&self.topic) else {
            let fault = format!("there is no topic {:?}", self.topic);
            return Err(pg::Corrupt { table, column: "topic", row: self.position.to_string(), fault }.into());
        };
        let event = Event {
            id: self.id.into(),
            topic,
            kind: self.kind,
            subject: self.subject,
            aggregate: self.aggregate_id,
            time: self.created_at,
            traceparent: self.traceparent,
            data: self.data,
        };
        Ok((self.position, event))
    }
}

/// Events as arrays, one for each column.
pub(crate) struct Columns<'e> {
    pub ids: Vec<Uuid>,
    pub topics: Vec<&'static str>,
    pub kinds: Vec<&'e str>,
    pub subjects: Vec<&'e str>,
    pub aggregates: Vec<Uuid>,
    pub times: Vec<DateTime<Utc>>,
    pub traceparents: Vec<Option<&'e str>>,
    pub data: Vec<&'e [u8]>,
}

impl<'e> Columns<'e> {
    pub fn of(events: &[&'e Event]) -> Self {
        Self {
            ids: events.iter().map(|event| event.id.uuid()).collect(),
            topics: events.iter().map(|event| event.topic.name()).collect(),
            kinds: events.iter().map(|event| event.kind.as_str()).collect(),
            subjects: events.iter().map(|event| event.subject.as_str()).collect(),
            aggregates: events.iter().map(|event| event.aggregate).collect(),
            times: events.iter().map(|event| event.time).collect(),
            traceparents: events.iter().map(|event| event.traceparent.as_deref()).collect(),
            data: events.iter().map(|event| event.data.as_slice()).collect(),
        }
    }
}
