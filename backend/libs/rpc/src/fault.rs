//! Why a call to a peer has no answer of the peer's.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What this side tells its caller in the peer's stead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a service that is needed does not answer")]
    Unreachable(#[source] tower::BoxError),
    #[error("a service that is needed can't be found")]
    Nowhere,
    #[error("a service that is needed took too long")]
    Late,
    #[error("a service that is needed has failed too often and is left alone for a moment")]
    Open(Duration),
    #[error("a service that is needed has as many calls as it is given")]
    Full(Duration),
    #[error("a service that is needed answers with more than {0} bytes")]
    TooLarge(usize),
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        match fault {
            Fault::Unreachable(cause) => {
                tracing::debug!(%cause, "a peer can't be reached");
                Self::unavailable(message)
            }
            Fault::Nowhere => Self::unavailable(message),
            Fault::Late => Self::deadline_exceeded(message),
            Fault::Open(wait) | Fault::Full(wait) => {
                Self::with_error_details(Code::Unavailable, message, ErrorDetails::with_retry_info(Some(wait)))
            }
            Fault::TooLarge(_) => Self::out_of_range(message),
        }
    }
}
