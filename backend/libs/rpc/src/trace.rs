//! Calls to peers in traces.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Code;
use traces::{Current, Kind, Span};

use crate::meters::Meters;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Where a call to a peer stands, and its span if what is going on is recorded.
pub(crate) fn begin(path: &str, meters: &Meters) -> (Current, Option<Span>) {
    let current = traces::current();
    let method = path.trim_start_matches('/');
    let Some(span) = current.child(|| method.to_owned(), Kind::Client) else { return (current, None) };
    span.set("rpc.system.name", "grpc").set("rpc.method", method);
    span.set("server.address", meters.host.as_str()).set("service.peer.name", meters.peer);
    (span.clone().into(), Some(span))
}

/// The call is over.
pub(crate) fn end(span: &Span, code: Code) {
    span.set("rpc.response.status_code", code_name(code));
    if code != Code::Ok {
        span.fail(code_name(code));
    }
    span.end();
}

/// Says where the call stands in its trace.
pub(crate) fn propagate(headers: &mut HeaderMap) {
    let Current { context, state, .. } = traces::current();
    let Some(parent) = context.and_then(|context| HeaderValue::try_from(context.to_string()).ok()) else { return };
    headers.insert(TRACEPARENT, parent);
    if let Some(state) = state.and_then(|state| HeaderValue::from_str(state.as_str()).ok()) {
        headers.insert(TRACESTATE, state);
    }
}

/// A code as gRPC and the semantic conventions write it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
