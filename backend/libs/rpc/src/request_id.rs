//! `x-request-id`: names a call in every log line of every service that it touches.

use std::sync::Arc;

use http::HeaderMap;

const MAX_LENGTH: usize = 64;

/// The caller's own id for the call if it is harmless, else a new one.
pub fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        !id.is_empty() && id.len() <= MAX_LENGTH && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match given.filter(harmless) {
        Some(id) => id.into(),
        None => uuid::Uuid::now_v7().simple().to_string().into(),
    }
}
