//! Request bodies: read within bounds, then proto3 JSON by the library. What is wrong with one is found out only once it is.

use axum::body::Body;
use bytes::Bytes;
use errors::FieldViolation;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prost_reflect::{DeserializeOptions, DynamicMessage, Kind, MessageDescriptor};
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::fields::expected;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::query::shown;

/// Where faults of the body as a whole are.
const BODY: &str = "body";

/// Reads a body; what encodings it had has been undone on the way, so that the bound holds for what comes out.
pub(crate) async fn read(body: Body, headers: &HeaderMap, limits: &Limits) -> Result<Bytes, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        // Those that are known have been taken off by the layer that undid them.
        return Err(Problem::media_type("the body's content-encoding is not known here: gzip, zstd or none will do"));
    }
    let whole = tokio::time::timeout(limits.body_time, Limited::new(body, limits.body_bytes).collect());
    match whole.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(limits.body_bytes)),
        Ok(Err(_)) => Err(Problem::invalid(vec![FieldViolation::new(
            BODY,
            "ended early, or is not what its content-encoding says",
        )])),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            errors::common::DEADLINE_EXCEEDED,
            "the body did not arrive in time",
        )),
    }
}

/// Whether a call that takes no body was sent one.
pub(crate) fn is_empty(body: &[u8]) -> bool {
    let text = body.trim_ascii();
    text.is_empty()
        || (text.first() == Some(&b'{')
            && text.last() == Some(&b'}')
            && text[1..text.len() - 1].trim_ascii().is_empty())
}

/// A message from JSON; no body is an empty message.
pub(crate) fn message(kind: &MessageDescriptor, body: &[u8], headers: &HeaderMap) -> Result<DynamicMessage, Problem> {
    if body.is_empty() {
        return Ok(DynamicMessage::new(kind.clone()));
    }
    if !is_json(headers) {
        return Err(Problem::media_type("a body must be application/json in UTF-8 (header content-type)"));
    }
    let text =
        std::str::from_utf8(body).map_err(|_| Problem::invalid(vec![FieldViolation::new(BODY, "must be UTF-8")]))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let read = DynamicMessage::deserialize_with_options(kind.clone(), &mut reader, &options);
    match read.and_then(|message| reader.end().map(|()| message)) {
        Ok(message) => Ok(message),
        Err(error) => Err(Problem::invalid(explain(kind, text, &error))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let utf8 = parameters.split(';').filter_map(|p| p.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    essence.trim().eq_ignore_ascii_case("application/json") && utf8
}

/// Finds every unknown field and the first value of a wrong type.
fn explain(kind: &MessageDescriptor, text: &str, error: &serde_json::Error) -> Vec<FieldViolation> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let place = format!("is not valid JSON (line {}, column {})", error.line(), error.column());
            return vec![FieldViolation::new(BODY, place)];
        }
    };
    if !value.is_object() {
        return vec![FieldViolation::new(BODY, "must be a JSON object")];
    }
    let mut faults = vec![];
    unknown(kind, &value, "", &mut faults);
    faults.truncate(MOST_FAULTS);
    if faults.is_empty() {
        faults.push(wrong(kind, text).unwrap_or_else(|| {
            FieldViolation::new(
                BODY,
                format!("is not what the call takes (line {}, column {})", error.line(), error.column()),
            )
        }));
    }
    faults
}

const MOST_FAULTS: usize = 20;

fn unknown(kind: &MessageDescriptor, value: &Value, path: &str, faults: &mut Vec<FieldViolation>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let field = kind.get_field_by_json_name(name).or_else(|| kind.get_field_by_name(name));
        let Some(field) = field else {
            faults.push(FieldViolation::new(join(path, &shown(name)), "is no field of this call"));
            continue;
        };
        let path = join(path, field.name());
        let (Kind::Message(inner), true) = (field.kind(), !field.is_map()) else { continue };
        match value {
            Value::Array(items) if field.is_list() => {
                for (i, item) in items.iter().enumerate() {
                    unknown(&inner, item, &format!("{path}[{i}]"), faults);
                }
            }
            value => unknown(&inner, value, &path, faults),
        }
    }
}

/// Reads again with a reader that knows where it is, and says what was expected there.
fn wrong(kind: &MessageDescriptor, text: &str) -> Option<FieldViolation> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(kind.clone(), tracked, &options).err()?;

    let (mut path, mut kind, mut wanted) = (String::new(), Some(kind.clone()), None);
    for segment in track.path().iter() {
        match segment {
            Segment::Seq { index } => path.push_str(&format!("[{index}]")),
            Segment::Map { key } => {
                let field =
                    kind.as_ref().and_then(|k| k.get_field_by_json_name(key).or_else(|| k.get_field_by_name(key)));
                let Some(field) = field else {
                    path = join(&path, &shown(key)); // a key of a map
                    continue;
                };
                path = join(&path, field.name());
                kind = field.kind().as_message().filter(|_| !field.is_map()).cloned();
                wanted = Some(field);
            }
            _ => {}
        }
    }
    let field = wanted?;
    let description = match (field.is_map(), field.is_list() && !path.ends_with(']')) {
        (true, _) => "must be an object of keys and values of the right type".to_owned(),
        (_, true) => "must be a list".to_owned(),
        _ => expected(&field.kind()),
    };
    Some(FieldViolation::new(path, description))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
