//! One error model for every service: an error says what [`Class`] it is of, and one function turns that into the status
//! that the client sees (docs/ERRORS.md). Causes are logged once, here, and never leave the process.

mod class;
mod fields;
mod status;

pub use class::{Class, Classify, Kind, Reason, common};
pub use fields::{FieldExt, FieldViolation, Invalid};
pub use status::{ErrorDetailsOf, status_of};

/// Implements `From<$error> for tonic::Status` under the given error domain (`"user.nova"` …).
#[macro_export]
macro_rules! into_status {
    ($error:ty, $domain:expr) => {
        impl From<$error> for ::tonic::Status {
            fn from(error: $error) -> Self {
                $crate::status_of($domain, &error)
            }
        }
    };
}
