//! HTTP's own spelling of versions and client ids: `ETag`, `If-Match`, `If-None-Match`, `Idempotency-Key`.
//!
//! A record's version is its ETag where the version changes with everything that the answer shows. Where an answer shows
//! more – counts of followers, what is unread – a digest of the answer follows the version: `"3-9e107d9d372bb682"`. So a
//! "not modified" is always true, and `If-Match` reads no further than the version.

use errors::FieldViolation;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Records whose version grows with every change of what is shown of them.
const FULLY_VERSIONED: [&str; 2] = ["nova.user.v1.UserSettings", "nova.messaging.v1.Message"];
const VERSION: &str = "version";
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Where the version stands in an answer.
#[derive(Debug)]
pub(crate) struct Versioned {
    record: Option<FieldDescriptor>,
    version: FieldDescriptor,
    alone: bool,
}

impl Versioned {
    /// The answer's own version, or that of its first field: its main record.
    pub fn of(answer: &MessageDescriptor) -> Option<Self> {
        if let Some(version) = version_of(answer) {
            let alone = FULLY_VERSIONED.contains(&answer.full_name());
            return Some(Self { record: None, version, alone });
        }
        let record = answer.get_field(1)?;
        match record.kind() {
            Kind::Message(message) if !record.is_list() && !record.is_map() => {
                let version = version_of(&message)?;
                let alone = FULLY_VERSIONED.contains(&message.full_name()) && answer.fields().len() == 1;
                Some(Self { record: Some(record), version, alone })
            }
            _ => None,
        }
    }

    /// The ETag of an answer, of which `json` is the body.
    pub fn etag(&self, answer: &DynamicMessage, json: &[u8]) -> Option<HeaderValue> {
        let version = match &self.record {
            None => answer.get_field(&self.version).as_i64()?,
            Some(record) => match answer.get_field(record).as_ref() {
                Value::Message(message) => message.get_field(&self.version).as_i64()?,
                _ => return None,
            },
        };
        let tag = match version {
            ..1 => return None,
            version if self.alone => format!("\"{version}\""),
            version => format!("\"{version}-{:016x}\"", digest(json)),
        };
        HeaderValue::try_from(tag).ok()
    }
}

fn version_of(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    message.get_field_by_name(VERSION).filter(|field| matches!(field.kind(), Kind::Int64))
}

/// FNV-1a: the same on every replica and in every release.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The version that `If-Match` asks for; none for `*`, and without the header.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, FieldViolation> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fault = || FieldViolation::new("if-match", "must be * or the ETag of one version, such as \"3\"");
    let tag = value.to_str().map_err(|_| fault())?.trim();
    if values.next().is_some() {
        return Err(fault());
    }
    if tag == "*" {
        return Ok(None);
    }
    let version = tag.strip_prefix('"').and_then(|t| t.strip_suffix('"')).ok_or_else(fault)?;
    let digits = version.split_once('-').map_or(version, |(version, _)| version);
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    number.filter(|&version| version > 0).map(Some).ok_or_else(fault)
}

/// Whether the caller has this answer already.
pub(crate) fn none_match(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(etag) = etag.to_str().map(weak) else { return false };
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|tags| tags.split(',')).any(|tag| tag.trim() == "*" || weak(tag) == etag)
}

/// The key, with or without the quotes that the header's draft wants.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, FieldViolation> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fault = || FieldViolation::new("idempotency-key", "must be one text of visible ASCII characters");
    let key = value.to_str().map_err(|_| fault())?.trim();
    let key = key.strip_prefix('"').and_then(|k| k.strip_suffix('"')).unwrap_or(key);
    if key.is_empty() || values.next().is_some() { Err(fault()) } else { Ok(Some(key)) }
}
