//! What the guard refuses or ends, and a reason for every status that passes it.

use std::time::Duration;

use authn::Denied;
use errors::{Class, Classify, Kind, common};
use http::HeaderMap;
use limits::Limited;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Refusals of the guard itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error("the service has more calls than it takes on")]
    Overloaded,
    #[error("the service has more streams than it takes on")]
    TooManyStreams,
    #[error("the request is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the deadline passed before the answer was known")]
    DeadlineExceeded,
    #[error("the deadline of the stream has passed")]
    StreamOver,
    #[error("the service stops")]
    Draining,
    #[error("the connection is old: come back over another")]
    Retired,
    #[error("there is no such RPC")]
    Unimplemented,
    #[error("the handler panicked")]
    Panicked,
    #[error("the stream broke off")]
    Broken(#[source] axum::Error),
}

impl Classify for Refusal {
    fn class(&self) -> Class {
        match self {
            Self::Denied(denied) => denied.class(),
            Self::Limited(limited) => limited.class(),
            Self::Overloaded => Class::limited(common::OVERLOADED, Duration::from_millis(500)),
            Self::TooManyStreams => Class::limited(common::OVERLOADED, Duration::from_secs(5)),
            Self::TooLarge(_) => Class::new(Kind::Invalid, common::MESSAGE_TOO_LARGE),
            Self::DeadlineExceeded | Self::StreamOver => Class::timeout(),
            Self::Draining => Class::unavailable(),
            Self::Retired => Class::unavailable().retry_after(Duration::from_millis(100)),
            Self::Unimplemented => Class::new(Kind::Invalid, common::UNIMPLEMENTED),
            Self::Panicked | Self::Broken(_) => Class::internal(),
        }
    }
}

/// Gives statuses that the gRPC library made itself (a body that can't be decoded, say) a reason too.
pub(crate) fn explain(domain: &'static str, headers: &mut HeaderMap) {
    if code_of(headers) == 0 || headers.contains_key("grpc-status-details-bin") {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    let unreadable = || ["decode", "decompress"].iter().any(|word| status.message().contains(word));
    let (code, reason) = match status.code() {
        Code::Internal if unreadable() => (Code::InvalidArgument, common::INVALID_ARGUMENT),
        Code::InvalidArgument => (Code::InvalidArgument, common::INVALID_ARGUMENT),
        Code::OutOfRange | Code::ResourceExhausted => (Code::InvalidArgument, common::MESSAGE_TOO_LARGE),
        Code::Unimplemented => (Code::Unimplemented, common::UNIMPLEMENTED),
        Code::Cancelled => (Code::Cancelled, common::CANCELLED),
        Code::DeadlineExceeded => (Code::DeadlineExceeded, common::DEADLINE_EXCEEDED),
        Code::Unavailable => (Code::Unavailable, common::UNAVAILABLE),
        code => (code, common::INTERNAL),
    };
    let details = ErrorDetails::with_error_info(reason, domain, []);
    let explained = Status::with_error_details(code, status.message(), details);
    // A header map that tonic made a moment ago takes one more status.
    let _ = explained.add_header(headers);
}

/// The code among headers or trailers. A unary reply that failed has it in its headers; without one the call succeeded.
pub(crate) fn code_of(headers: &HeaderMap) -> usize {
    let code = headers.get(Status::GRPC_STATUS).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    code.unwrap_or(0).min(16)
}
