//! What the messages of a server stream look like as events: each has an id to go on from, and a name.

use errors::FieldViolation;
use http::{HeaderMap, HeaderName};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MethodDescriptor};
use serde_json::Value;

use crate::fields::Field;

/// The field of a request that says where to go on, and that of a message that says where it stands.
const CURSOR: &str = "cursor";
/// Another spelling of the request's cursor; what a browser's EventSource sends when it comes back.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The field of a message that holds a JSON object: as text over gRPC, which has no objects without a schema, and as itself here.
const RECORD: &str = "record";
/// Name of events that have none of their own.
const PLAIN: &str = "message";

/// Whether a field holds a JSON object as text.
pub(crate) fn is_record(field: &FieldDescriptor) -> bool {
    field.name() == RECORD && matches!(field.kind(), Kind::String) && !field.is_list()
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shape {
    asked: Option<Field>,
    told: Option<FieldDescriptor>,
    record: Option<FieldDescriptor>,
    /// The fields of the message's one oneof, with their names in JSON.
    kinds: Vec<(FieldDescriptor, String)>,
}

impl Shape {
    pub fn of(method: &MethodDescriptor) -> Self {
        let is_text = |field: &FieldDescriptor| matches!(field.kind(), Kind::String) && !field.is_list();
        let output = method.output();
        let mut oneofs = output.oneofs().filter(|oneof| !oneof.is_synthetic());
        let kinds = match (oneofs.next(), oneofs.next()) {
            (Some(oneof), None) => oneof.fields().map(|field| (field.clone(), field.json_name().to_owned())).collect(),
            _ => vec![],
        };
        Self {
            asked: Field::find(&method.input(), CURSOR).filter(|field| is_text(field.descriptor())),
            told: output.get_field_by_name(CURSOR).filter(is_text),
            record: output.get_field_by_name(RECORD).filter(is_record),
            kinds,
        }
    }

    /// Whether a stream can go on where another ended.
    pub fn can_resume(&self) -> bool {
        self.asked.is_some()
    }

    /// Sets the request's cursor to what the client has seen last. It wins over the query: an address stays the same when an
    /// EventSource comes back, the header is new.
    pub fn resume(&self, headers: &HeaderMap, request: &mut DynamicMessage) -> Result<(), FieldViolation> {
        let Some((field, header)) = self.asked.as_ref().zip(headers.get(LAST_EVENT_ID)) else { return Ok(()) };
        match std::str::from_utf8(header.as_bytes()) {
            Ok("") => Ok(()),
            Ok(cursor) => field.put(request, cursor),
            Err(_) => Err(FieldViolation::new(LAST_EVENT_ID.as_str(), "must be UTF-8")),
        }
    }

    /// Where to go on after this message; none where there is no going back to it.
    pub fn id(&self, message: &DynamicMessage) -> Option<String> {
        let cursor = message.get_field(self.told.as_ref()?).as_str()?.to_owned();
        (!cursor.is_empty()).then_some(cursor)
    }

    /// Writes the record that a message holds as what it is.
    pub fn unfold(&self, mut json: Value) -> Result<Value, serde_json::Error> {
        if let Some(record) = self.record.as_ref().and_then(|field| json.get_mut(field.json_name())) {
            *record = serde_json::from_str(record.as_str().unwrap_or_default())?;
        }
        Ok(json)
    }

    /// Whether its messages hold records.
    pub fn has_record(&self) -> bool {
        self.record.is_some()
    }

    /// What kind of event a message is.
    pub fn name(&self, message: &DynamicMessage) -> &str {
        let kind = self.kinds.iter().find(|(field, _)| message.has_field(field));
        kind.map_or(PLAIN, |(_, name)| name)
    }
}
