//! Reads fields of requests, each by its path on the wire.

use authn::Caller;
use chrono::{DateTime, Utc};
use errors::{FieldExt, FieldViolation, Invalid};
use ids::UserId;

use crate::app::{Error, PageArgs};
use crate::model::Pair;

/// The word that stands for the caller.
const ME: &str = "me";

/// A user by id, or `me`.
pub fn user(caller: &Caller, text: &str, field: &str) -> Result<UserId, FieldViolation> {
    if text == ME {
        return caller.user_id().ok_or_else(|| FieldViolation::new(field, "a service is no user: name one by its id"));
    }
    UserId::parse(text).field(field)
}

/// Who acts: the caller, if nobody is named.
pub fn actor(caller: &Caller, text: Option<&str>, field: &str) -> Result<UserId, FieldViolation> {
    user(caller, text.filter(|text| !text.is_empty()).unwrap_or(ME), field)
}

/// Two different users; `second` is the field at fault if they are one.
pub fn pair(
    first: Result<UserId, FieldViolation>,
    second: Result<UserId, FieldViolation>,
    field: &str,
) -> Result<Pair, Error> {
    let mut faults = Faults::default();
    let pair = (faults.keep(first), faults.keep(second));
    faults.finish()?;
    let (Some(first), Some(second)) = pair else { unreachable!("what is missing is a fault") };
    Ok(Pair::new(first, second).field(field)?)
}

/// Users by id, each named by its place.
pub fn users(texts: &[String], field: &str) -> Result<Vec<UserId>, Error> {
    let mut faults = Faults::default();
    let mut users = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        match UserId::parse(text) {
            Ok(user) => users.push(user),
            Err(fault) => faults.add(FieldViolation::new(format!("{field}[{i}]"), fault.to_string())),
        }
    }
    faults.finish()?;
    Ok(users)
}

/// The version that a change is meant for.
pub fn expected_version(version: i64) -> Result<i64, FieldViolation> {
    if version < 0 { Err(FieldViolation::new("expected_version", "must not be negative")) } else { Ok(version) }
}

/// A time in RFC 3339.
pub fn time(text: &str, field: &str) -> Result<DateTime<Utc>, FieldViolation> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed
        .map(|time| time.to_utc())
        .map_err(|_| FieldViolation::new(field, "must be a time such as 2026-11-23T12:00:00.123456Z"))
}

/// The paging fields; a list without `offset` passes 0.
pub fn page(limit: i32, offset: i32, page_token: String) -> PageArgs {
    PageArgs { limit, offset, page_token }
}

/// Collects what is wrong with a request, so that all of it is told at once. The number is bounded: an answer stays small.
#[derive(Default)]
pub struct Faults(Vec<FieldViolation>);

impl Faults {
    const MOST: usize = 20;

    /// Keeps a good value, or notes the fault.
    pub fn keep<T>(&mut self, read: Result<T, FieldViolation>) -> Option<T> {
        read.map_err(|fault| self.add(fault)).ok()
    }

    /// Reads an optional field, or notes the fault.
    pub fn optional<V, T, E: std::fmt::Display>(
        &mut self,
        field: &str,
        value: Option<V>,
        read: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<T> {
        let value = value?;
        self.keep(read(value).field(field))
    }

    /// Notes a fault.
    pub fn add(&mut self, fault: FieldViolation) {
        if self.0.len() < Self::MOST {
            self.0.push(fault);
        }
    }

    /// Refuses the request if anything was noted.
    pub fn finish(self) -> Result<(), Invalid> {
        if self.0.is_empty() { Ok(()) } else { Err(Invalid(self.0)) }
    }
}
