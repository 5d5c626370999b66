//! What every status that is not OK must carry.

use std::sync::LazyLock;

use errors::ErrorDetailsOf;
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};
use tonic_types::StatusExt;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the descriptors are valid"));

/// Holds a status against the rules that hold for all: a domain, a reason of the proto's `ErrorReason`, fields named where
/// an argument is invalid, a wait where one is due, and no word of SQL or files.
///
/// # Panics
/// If a rule is broken.
pub fn check_status(status: &Status) {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    let package = match info.domain.as_str() {
        "auth.nova" => "nova.auth.v1",
        "user.nova" => "nova.user.v1",
        "messaging.nova" => "nova.messaging.v1",
        other => panic!("unknown error domain {other}: {status:?}"),
    };
    let reasons = POOL.get_enum_by_name(&format!("{package}.ErrorReason")).expect("every service has reasons");
    assert!(
        reasons.values().any(|value| value.name() == info.reason),
        "{} is no reason of {package}: {status:?}",
        info.reason
    );
    if status.code() == Code::InvalidArgument && info.reason == "INVALID_ARGUMENT" {
        let undecodable = status.message().contains("decode");
        assert!(undecodable || !status.violated_fields().is_empty(), "no field is named: {status:?}");
    }
    if status.code() == Code::ResourceExhausted {
        assert!(status.get_details_retry_info().is_some(), "no RetryInfo: {status:?}");
    }
    let message = status.message().to_lowercase();
    for word in ["sql", "select ", "insert ", "relation ", "constraint", ".rs", "/home", "panicked"] {
        assert!(!message.contains(word), "the message tells of the inside ({word}): {status:?}");
    }
}

/// Checks a status' code and reason, and that it carries what every status carries.
///
/// # Panics
/// If it is another.
#[track_caller]
pub fn assert_reason(status: &Status, code: Code, reason: &str) {
    assert_eq!((status.code(), status.reason().as_deref()), (code, Some(reason)), "{status:?}");
    check_status(status);
}
