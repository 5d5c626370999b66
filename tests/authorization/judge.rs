//! Holds what came of a call against the table, and against the same call about what does not exist.

use std::collections::BTreeMap;

use authn::Verdict;
use serde_json::Value;
use tonic::Code;

use super::asks::nobodys_id;
use super::routes::Transport;
use super::wire::{Answer, Refused};

/// HTTP status of a gRPC code, as docs/ERRORS.md has them.
pub fn http_status(code: Code) -> u16 {
    match code {
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        _ => 500,
    }
}

/// What is wrong with an answer, if anything is.
pub fn fault(verdict: Verdict, shows: Option<&str>, transport: &Transport, answer: &Answer) -> Option<String> {
    let is_right = match (verdict, answer) {
        (Verdict::Done, Answer::Done(shown)) => shows.is_none_or(|it| shown.contains(it)),
        (Verdict::LeftOut, Answer::Done(shown)) => shows.is_some_and(|it| !shown.contains(it)),
        (Verdict::Refused(code, reason), Answer::Refused(refused)) => {
            let status = if *transport == Transport::Grpc { code as u16 } else { http_status(code) };
            refused.status == status && refused.reason == reason
        }
        _ => false,
    };
    (!is_right).then(|| format!("must be {verdict:?}, is {answer:?} (shows {shows:?})"))
}

/// Whether a refusal must not tell whether there is what was asked for.
pub fn keeps_a_secret(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Refused(Code::NotFound, _)) || verdict == Verdict::NOT_YOURS
}

/// The same request about what nobody has, and what stands there for which id; nothing if no id but the caller's is in it.
pub fn about_nothing(request: &Value, caller: &str) -> Option<(Value, BTreeMap<String, String>)> {
    let mut made = BTreeMap::new();
    let mut changed = request.clone();
    for value in changed.as_object_mut()?.values_mut() {
        replace(value, caller, &mut made);
    }
    (!made.is_empty()).then_some((changed, made))
}

fn replace(value: &mut Value, caller: &str, made: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) if is_id(text) && text != caller => {
            let new = made.entry(text.clone()).or_insert_with(nobodys_id);
            text.clone_from(new);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, caller, made)),
        _ => {}
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// What differs between two refusals, ids aside.
pub fn difference(about: &Answer, nothing: &Answer, made: &BTreeMap<String, String>) -> Option<String> {
    let (Answer::Refused(about), Answer::Refused(nothing)) = (about, nothing) else {
        return Some(format!("of what exists: {about:?}, of what does not: {nothing:?}"));
    };
    let told = made.iter().fold(nothing.told.clone(), |told, (old, new)| told.replace(new, old));
    let nothing = Refused { told, ..nothing.clone() };
    (*about != nothing).then(|| format!("of what exists: {about:?}, of what does not: {nothing:?}"))
}
