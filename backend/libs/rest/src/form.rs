//! How the messages of a stream stand in a body.

use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// The media type of Server-Sent Events.
pub(crate) const EVENTS: &str = "text/event-stream";
/// The media type of JSON lines.
pub(crate) const LINES: &str = "application/x-ndjson";
/// Tells nginx, and what does as it does, to pass on each message as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Server-Sent Events, for who listens.
    Events,
    /// One message a line, for who keeps them.
    Lines,
}

impl Form {
    /// The form that a request asks for.
    pub fn asked_for(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut types = accepted.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
        if types.any(|name| name.trim().eq_ignore_ascii_case(LINES)) { Self::Lines } else { Self::Events }
    }

    /// Says in the answer's head what the body is. Lines are a file that is named after the last part of the path.
    pub fn announce(self, uri: &Uri, response: &mut Response) {
        let headers = response.headers_mut();
        let media_type = match self {
            Self::Events => EVENTS,
            Self::Lines => LINES,
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        if self == Self::Lines {
            let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            let name: String = uri.path().rsplit('/').next().unwrap_or_default().chars().filter(is_plain).collect();
            let file = HeaderValue::try_from(format!("attachment; filename=\"{name}.ndjson\""));
            headers.insert(CONTENT_DISPOSITION, file.expect("letters, digits and dashes"));
        }
    }

    /// A message; `id` and `name` are for events.
    pub fn message(self, id: Option<&str>, name: &str, json: &[u8]) -> Bytes {
        match self {
            Self::Events => event(id, name, json),
            Self::Lines => [json, b"\n"].concat().into(),
        }
    }

    /// Why the server ends the stream.
    pub fn problem(self, json: &[u8]) -> Bytes {
        match self {
            Self::Events => event(None, "problem", json),
            Self::Lines => [b"{\"problem\":", json, b"}\n"].concat().into(),
        }
    }
}

fn event(id: Option<&str>, name: &str, json: &[u8]) -> Bytes {
    const FIELDS: usize = "id: \nevent: \ndata: \n\n".len();
    let mut text = Vec::with_capacity(FIELDS + id.map_or(0, str::len) + name.len() + json.len());
    if let Some(id) = id {
        text.extend([b"id: ", id.as_bytes(), b"\n"].concat());
    }
    text.extend_from_slice(b"event: ");
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"\ndata: ");
    text.extend_from_slice(json);
    text.extend_from_slice(b"\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_who_asks_for_them() {
        for (accept, form) in [
            ("application/x-ndjson", Form::Lines),
            ("text/html, Application/X-NDJSON; q=0.9", Form::Lines),
            ("text/event-stream", Form::Events),
            ("*/*", Form::Events),
            ("application/x-ndjson2", Form::Events),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Form::asked_for(&headers), form, "{accept}");
        }
        assert_eq!(Form::asked_for(&HeaderMap::new()), Form::Events);
    }
}
