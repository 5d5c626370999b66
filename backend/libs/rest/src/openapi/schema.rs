//! Schemas of messages, as proto3 JSON writes them.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::{Bounds, Comments, amount, length};
use crate::shape::is_record;

/// What a value looks like, by the name of its field.
const EXAMPLES: [(&str, &str); 9] = [
    ("username", "alice"),
    ("email", "alice@example.org"),
    ("password", "correct horse"),
    ("identifier", "alice"),
    ("display_name", "Alice"),
    ("content", "Hello"),
    ("timezone", "Europe/Berlin"),
    ("language", "en"),
    ("query", "ali"),
];
const EXAMPLE_ID: &str = "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b";
const EXAMPLE_TIME: &str = "2026-11-23T12:00:00.123456Z";

/// The schemas that a document refers to.
pub(crate) struct Schemas<'a> {
    comments: &'a Comments,
    done: BTreeMap<String, Value>,
}

impl<'a> Schemas<'a> {
    pub fn new(comments: &'a Comments) -> Self {
        Self { comments, done: BTreeMap::from([("Problem".to_owned(), problem())]) }
    }

    pub fn comments(&self) -> &'a Comments {
        self.comments
    }

    pub fn finish(self) -> BTreeMap<String, Value> {
        self.done
    }

    /// A reference to a message's schema, which is made if it is not there.
    pub fn reference(&mut self, message: &MessageDescriptor) -> Value {
        let name = name(message);
        if !self.done.contains_key(&name) {
            self.done.insert(name.clone(), Value::Null); // a message may contain itself
            let schema = self.answer(message);
            self.done.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn answer(&mut self, message: &MessageDescriptor) -> Value {
        let mut properties = Map::new();
        let mut required = vec![];
        for field in message.fields() {
            // What has no presence is always shown.
            if !field.supports_presence() {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), self.described(&field));
        }
        let mut schema =
            json!({ "type": "object", "description": self.comments.of_message(message), "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    /// The schema of a body that is a whole request, without some of its fields.
    pub fn request(&mut self, message: &MessageDescriptor, without: impl Fn(&str) -> bool) -> Value {
        let fields = message.fields().filter(|field| !without(field.name()));
        let properties: Map<String, Value> =
            fields.map(|field| (field.json_name().to_owned(), self.described(&field))).collect();
        json!({
            "type": "object",
            "description": self.comments.of_message(message),
            "properties": properties,
            "additionalProperties": false,
        })
    }

    fn described(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = self.field(field);
        let comment = self.comments.of_field(field);
        match schema.get("description").and_then(Value::as_str) {
            Some(values) => schema["description"] = format!("{comment}\n\n{values}").into(),
            None if !comment.is_empty() => schema["description"] = comment.into(),
            None => {}
        }
        schema
    }

    /// The schema of a field's value.
    pub fn field(&mut self, field: &FieldDescriptor) -> Value {
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            return json!({ "type": "object", "additionalProperties": self.one(&entry.map_entry_value_field()) });
        }
        if field.is_list() {
            return json!({ "type": "array", "items": self.one(field) });
        }
        self.one(field)
    }

    fn one(&mut self, field: &FieldDescriptor) -> Value {
        let comment = self.comments.of_field(field);
        match field.kind() {
            Kind::String if is_record(field) => json!({ "type": "object", "additionalProperties": true }),
            Kind::String => text(field, &comment),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => bounded(
                json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX }),
                &amount(&comment),
            ),
            Kind::Uint32 | Kind::Fixed32 => bounded(
                json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX }),
                &amount(&comment),
            ),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$" })
            }
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$" }),
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::Enum(values) => {
                let names: Vec<String> = values
                    .values()
                    .map(|value| value.name().to_owned())
                    .filter(|name| !name.ends_with("_UNSPECIFIED"))
                    .collect();
                json!({ "type": "string", "enum": names, "description": self.comments.of_values(&values) })
            }
            Kind::Message(message) => self.reference(&message),
        }
    }
}

fn text(field: &FieldDescriptor, comment: &str) -> Value {
    let name = field.name();
    let mut schema = json!({ "type": "string" });
    let Bounds { least, most } = length(comment);
    if let Some(least) = least {
        schema["minLength"] = least.into();
    }
    if let Some(most) = most {
        schema["maxLength"] = most.into();
    }
    if name.ends_with("_at") {
        schema["format"] = "date-time".into();
        schema["examples"] = json!([EXAMPLE_TIME]);
    } else if (name == "id" || name.ends_with("_id") || name.ends_with("_ids")) && !name.starts_with("client_") {
        // Where a word or nothing stands for the caller, an id is no more than an example.
        if !comment.contains('`') && !comment.to_lowercase().contains("empty") {
            schema["format"] = "uuid".into();
        }
        schema["examples"] = json!([EXAMPLE_ID]);
    } else if let Some((_, example)) = EXAMPLES.iter().find(|(field, _)| *field == name) {
        schema["examples"] = json!([example]);
    }
    schema
}

fn bounded(mut schema: Value, bounds: &Bounds) -> Value {
    if let Some(least) = bounds.least {
        schema["minimum"] = least.into();
    }
    if let Some(most) = bounds.most {
        schema["maximum"] = most.into();
    }
    schema
}

/// `nova.user.v1.UserProfile` is `user.UserProfile`.
fn name(message: &MessageDescriptor) -> String {
    let full = message.full_name();
    match full.strip_prefix("nova.").and_then(|rest| rest.split_once(".v1.")) {
        Some((service, name)) => format!("{service}.{name}"),
        None => full.to_owned(),
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "detail", "reason", "domain", "metadata", "violations", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "Names the kind of problem: the reason as a URN.", "examples": ["urn:nova:error:VERSION_CONFLICT"] },
            "title": { "type": "string", "description": "The reason in words." },
            "status": { "type": "integer", "description": "The HTTP status.", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "A sentence for people; may change." },
            "reason": { "type": "string", "description": "What clients branch on.", "pattern": "^[A-Z][A-Z0-9_]*$" },
            "domain": { "type": "string", "description": "Which service says so, such as user.nova." },
            "metadata": { "type": "object", "description": "Facts for machines.", "additionalProperties": { "type": "string" } },
            "violations": {
                "type": "array",
                "description": "The parts of the request that are at fault.",
                "items": {
                    "type": "object",
                    "required": ["field", "description"],
                    "properties": {
                        "field": { "type": "string", "description": "Path of the field in the request." },
                        "description": { "type": "string", "description": "What it must be." },
                    },
                },
            },
            "request_id": { "type": "string", "description": "Names the call in the server's log." },
        },
    })
}
