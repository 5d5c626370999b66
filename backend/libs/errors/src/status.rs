//! From a classified error to the gRPC status, and back on the client's side.

use std::collections::HashMap;
use std::error::Error;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::{Classify, Kind};

/// The status that a client gets for `error`, under the service's error domain.
///
/// Faults of the server are logged here, with their causes; what the client reads is the error's own sentence, or for
/// [`Kind::Internal`] no more than that something failed.
pub fn status_of(domain: &'static str, error: &dyn Classify) -> Status {
    let class = error.class();
    if class.kind.is_servers_fault() {
        let causes = causes(error);
        match class.kind {
            Kind::Internal => {
                tracing::error!(error = %error, %causes, reason = class.reason, "internal fault: {error}{causes}")
            }
            _ => tracing::warn!(error = %error, %causes, reason = class.reason, "call failed: {error}{causes}"),
        }
    } else {
        tracing::debug!(error = %error, reason = class.reason, "call refused: {error}");
    }

    let mut details = ErrorDetails::new();
    let metadata: HashMap<String, String> = class.metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    details.set_error_info(class.reason, domain, metadata);
    for violation in class.fields {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    if let Some((resource_type, name)) = class.resource {
        details.set_resource_info(resource_type, name, "", "");
    }
    if class.kind == Kind::Precondition {
        details.add_precondition_failure_violation(class.reason, domain, error.to_string());
    }
    if let Some(wait) = class.retry_after {
        details.set_retry_info(Some(wait));
    }
    let message = if class.kind == Kind::Internal { "internal fault".to_owned() } else { error.to_string() };
    Status::with_error_details(class.kind.code(), message, details)
}

fn causes(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Reads the details of a status that a peer sent.
pub trait ErrorDetailsOf {
    /// The machine-readable reason, if the status carries one.
    fn reason(&self) -> Option<String>;
    /// A value of the reason's metadata.
    fn reason_metadata(&self, key: &str) -> Option<String>;
    /// The names of the fields that were out of bounds.
    fn violated_fields(&self) -> Vec<String>;
}

impl ErrorDetailsOf for Status {
    fn reason(&self) -> Option<String> {
        self.get_details_error_info().map(|info| info.reason)
    }

    fn reason_metadata(&self, key: &str) -> Option<String> {
        self.get_details_error_info().and_then(|mut info| info.metadata.remove(key))
    }

    fn violated_fields(&self) -> Vec<String> {
        let violations = self.get_details_bad_request().map(|b| b.field_violations).unwrap_or_default();
        violations.into_iter().map(|v| v.field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, FieldViolation, Invalid};
    use std::time::Duration;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk says: {0}")]
    struct Secretive(#[source] std::io::Error);
    impl Classify for Secretive {
        fn class(&self) -> Class {
            Class::internal()
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("locked for a while")]
    struct Locked;
    impl Classify for Locked {
        fn class(&self) -> Class {
            Class::limited("ACCOUNT_LOCKED", Duration::from_millis(1500)).meta("attempts", 5)
        }
    }

    #[test]
    fn internal_faults_tell_the_client_nothing() {
        let status = status_of("user.nova", &Secretive(std::io::Error::other("/var/lib/secret")));
        assert_eq!((status.code(), status.message()), (tonic::Code::Internal, "internal fault"));
        assert_eq!(status.reason().as_deref(), Some("INTERNAL"));
    }

    #[test]
    fn details_survive_the_way_to_the_client() {
        let status = status_of("auth.nova", &Locked);
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(status.reason_metadata("attempts").as_deref(), Some("5"));
        let info = status.get_details_error_info().expect("error info");
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("auth.nova", "ACCOUNT_LOCKED"));
        let retry = status.get_details_retry_info().expect("retry info");
        assert_eq!(retry.retry_delay, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn every_violated_field_is_named() {
        let invalid = Invalid(vec![
            FieldViolation::new("user_id", "must be a UUID"),
            FieldViolation::new("limit", "must not be negative"),
        ]);
        let status = status_of("user.nova", &invalid);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(status.violated_fields(), ["user_id", "limit"]);
        assert_eq!(status.message(), "user_id: must be a UUID; limit: must not be negative");
    }
}
