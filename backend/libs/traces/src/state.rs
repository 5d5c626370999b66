//! `tracestate`: what other vendors' tracers say to themselves. We only pass it on.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

/// What W3C wants to be passed on at least, and what we pass on at most.
const MAX_BYTES: usize = 512;
const MAX_MEMBERS: usize = 32;

const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A list of `key=value`, small and harmless. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(Arc<str>);

impl TraceState {
    /// What stands in the headers; nothing if it is too long, or not as W3C writes it.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut text = String::new();
        for value in headers.get_all(TRACESTATE) {
            let value = value.to_str().ok()?.trim();
            if text.len() + value.len() >= MAX_BYTES {
                return None;
            }
            if !text.is_empty() && !value.is_empty() {
                text.push(',');
            }
            text.push_str(value);
        }
        let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
        let is_fine = !text.is_empty() && members.clone().count() <= MAX_MEMBERS && members.clone().all(is_member);
        is_fine.then(|| Self(text.into()))
    }

    /// As a header has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let of_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    let of_value = |b: u8| (b' '..=b'~').contains(&b) && !b",=".contains(&b);
    (1..=256).contains(&key.len())
        && key.bytes().all(of_key)
        && (1..=256).contains(&value.len())
        && value.bytes().all(of_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACESTATE, value.parse().expect("a header"));
        }
        TraceState::of(&headers).map(|state| state.as_str().to_owned())
    }

    #[test]
    fn what_others_say_is_passed_on_whole() {
        assert_eq!(of(&["congo=t61rcWkgMzE"]).as_deref(), Some("congo=t61rcWkgMzE"));
        assert_eq!(of(&["a=1, b@c=2", "d=3"]).as_deref(), Some("a=1, b@c=2,d=3"));
    }

    #[test]
    fn what_is_long_or_odd_is_left_out() {
        let many = vec!["a=1"; 33].join(",");
        for bad in [&[][..], &[""], &["a"], &["A=1"], &["a=1,b"], &["a=b=c"], &[&"a=1,".repeat(200)], &[&many]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
        assert_eq!(of(&["a=1", &format!("b={}", "x".repeat(600))]), None);
    }
}
