//! RFC 9457: every answer that is not a success is a problem document.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use errors::{FieldViolation, common};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Where problems come from that no service was asked about.
pub(crate) const NO_SERVICE: &str = "nova";
/// What the type of a problem begins with; the reason follows.
pub(crate) const TYPE: &str = "urn:nova:error:";
pub(crate) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// What went wrong with a call.
#[derive(Clone, Debug)]
pub struct Problem(Box<Document>);

#[derive(Clone, Debug, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: String,
    reason: String,
    domain: Arc<str>,
    metadata: BTreeMap<String, String>,
    violations: Vec<Violation>,
    request_id: Arc<str>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

#[derive(Clone, Debug, Serialize)]
struct Violation {
    field: String,
    description: String,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem of nobody's yet.
    pub fn new(status: StatusCode, reason: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            kind: format!("{TYPE}{reason}"),
            title: title(reason),
            status,
            detail: detail.into(),
            reason: reason.to_owned(),
            domain: NO_SERVICE.into(),
            metadata: BTreeMap::new(),
            violations: vec![],
            request_id: "".into(),
            retry_after: None,
        }))
    }

    /// Parts of the request that can't be right.
    pub(crate) fn invalid(faults: Vec<FieldViolation>) -> Self {
        let sentences: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.field, f.description)).collect();
        let violations = faults.into_iter().map(|f| Violation { field: f.field, description: f.description }).collect();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, common::INVALID_ARGUMENT, sentences.join("; "));
        problem.0.violations = violations;
        problem
    }

    pub(crate) fn media_type(detail: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail)
    }

    pub(crate) fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {}", crate::query::shown(path));
        Self::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", detail)
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let detail = format!("the body is larger than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, common::MESSAGE_TOO_LARGE, detail)
    }

    /// What a service answered.
    pub(crate) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let (reason, domain, metadata) = match details.error_info() {
            Some(info) => (info.reason.clone(), info.domain.clone(), info.metadata.clone()),
            None => (fallback(status.code()).to_owned(), NO_SERVICE.to_owned(), Default::default()),
        };
        let violations = details.bad_request().map(|b| b.field_violations.clone()).unwrap_or_default();
        let mut problem = Self::new(http_status(status.code(), &reason), &reason, status.message());
        problem.0.domain = domain.into();
        problem.0.metadata = metadata.into_iter().collect();
        problem.0.violations =
            violations.into_iter().map(|v| Violation { field: v.field, description: v.description }).collect();
        problem.0.retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
        problem
    }

    /// The same, of this service and call.
    #[must_use]
    pub(crate) fn during(mut self, domain: &Arc<str>, request_id: Arc<str>) -> Self {
        self.0.request_id = request_id;
        if &*self.0.domain == NO_SERVICE {
            self.0.domain = Arc::clone(domain);
        }
        self
    }

    /// The document.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("a problem is made of texts and numbers")
    }

    /// HTTP's status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What clients branch on.
    pub(crate) fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The same, of a call that no service was asked about.
    #[must_use]
    pub fn at(mut self, request_id: Arc<str>) -> Self {
        self.0.request_id = request_id;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(&self.0.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// `VERSION_CONFLICT` as people write it.
fn title(reason: &str) -> String {
    let words = reason.replace('_', " ").to_lowercase();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The reason of a status that carries none.
fn fallback(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument | Code::OutOfRange => common::INVALID_ARGUMENT,
        Code::Unauthenticated => common::UNAUTHENTICATED,
        Code::PermissionDenied => common::PERMISSION_DENIED,
        Code::Aborted => common::CONFLICT,
        Code::ResourceExhausted => common::OVERLOADED,
        Code::Cancelled => common::CANCELLED,
        Code::Unimplemented => common::UNIMPLEMENTED,
        Code::Unavailable => common::UNAVAILABLE,
        Code::DeadlineExceeded => common::DEADLINE_EXCEEDED,
        _ => common::INTERNAL,
    }
}

/// The table of docs/ERRORS.md.
fn http_status(code: Code, reason: &str) -> StatusCode {
    if reason == common::MESSAGE_TOO_LARGE {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    match code {
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // The caller is gone; whoever logs the answer sees why.
        Code::Cancelled => StatusCode::from_u16(499).expect("three digits"),
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
