//! The protos: everything has a row in an access table and a comment, and reasons mean the same everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use authn::AccessTable;
use prost_reflect::{DescriptorPool, EnumDescriptor, FileDescriptor, MessageDescriptor, ServiceDescriptor};
use test_harness::ServiceName;

/// Every descriptor, as reflection shows it.
pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the descriptors are valid"));

/// The services of the protos.
pub fn services() -> impl Iterator<Item = ServiceDescriptor> {
    POOL.services().filter(|service| service.full_name().starts_with("nova."))
}

/// A service's own table.
pub fn access_table(service: ServiceName) -> AccessTable {
    match service {
        ServiceName::Auth => auth_service::grpc::ACCESS,
        ServiceName::User => user_service::grpc::ACCESS,
        ServiceName::Messaging => messaging_service::grpc::ACCESS,
    }
}

#[test]
fn there_are_three_services() {
    let names: BTreeSet<String> = services().map(|service| service.full_name().to_owned()).collect();
    assert_eq!(names, ServiceName::ALL.map(|service| service.grpc().to_owned()).into());
}

#[test]
fn every_rpc_has_an_access_row_and_every_row_an_rpc() {
    for service in ServiceName::ALL {
        let descriptor = POOL.get_service_by_name(service.grpc()).expect("the service exists");
        let rpcs: BTreeSet<String> = descriptor.methods().map(|method| method.name().to_owned()).collect();
        let rows: Vec<String> = access_table(service).iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "{service:?} has a row twice");
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), rpcs, "{service:?}");
    }
}

#[test]
fn every_rpc_is_counted_as_something_that_has_limits() {
    for service in ServiceName::ALL {
        let (rates, classes) = match service {
            ServiceName::Auth => (auth_service::grpc::RATES, auth_service::config::RateLimits::default().classes()),
            ServiceName::User => (user_service::grpc::RATES, user_service::config::RateLimits::default().classes()),
            ServiceName::Messaging => {
                (messaging_service::grpc::RATES, messaging_service::config::RateLimits::default().classes())
            }
        };
        let descriptor = POOL.get_service_by_name(service.grpc()).expect("the service exists");
        let rpcs: BTreeSet<String> = descriptor.methods().map(|method| method.name().to_owned()).collect();
        assert_eq!(rates.iter().map(|(rpc, _)| (*rpc).to_owned()).collect::<BTreeSet<_>>(), rpcs, "{service:?}");
        assert_eq!(rates.len(), rpcs.len(), "{service:?} has a row twice");
        let classes = classes.expect("limits are on by default");
        let known = classes.special.iter().map(|class| class.name).chain([classes.calls.name]).collect::<BTreeSet<_>>();
        assert_eq!(
            rates.iter().map(|(_, class)| *class).collect::<BTreeSet<_>>(),
            known,
            "{service:?}: used and known"
        );
    }
}

#[test]
fn common_reasons_have_the_same_numbers_in_every_service() {
    const COMMON: [&str; 18] = [
        "ERROR_REASON_UNSPECIFIED",
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        "OFFSET_TOO_LARGE",
        "UNAUTHENTICATED",
        "TOKEN_EXPIRED",
        "TOKEN_REVOKED",
        "PERMISSION_DENIED",
        "VERSION_CONFLICT",
        "RATE_LIMITED",
        "OVERLOADED",
        "DEADLINE_EXCEEDED",
        "UNAVAILABLE",
        "INTERNAL",
        "CANCELLED",
        "UNIMPLEMENTED",
        "MESSAGE_TOO_LARGE",
        "CONFLICT",
    ];
    for package in ["nova.auth.v1", "nova.user.v1", "nova.messaging.v1"] {
        let reasons = POOL.get_enum_by_name(&format!("{package}.ErrorReason")).expect("every service has reasons");
        let values: BTreeMap<i32, String> = reasons.values().map(|v| (v.number(), v.name().to_owned())).collect();
        for (number, name) in (0..).zip(COMMON) {
            assert_eq!(values.get(&number).map(String::as_str), Some(name), "{package}");
        }
        let between: Vec<_> = values.range(i32::try_from(COMMON.len()).expect("few")..32).collect();
        assert!(between.is_empty(), "{package}: a service's own reasons start at 32, not {between:?}");
    }
}

/// Everything in a file that wants a comment, by name and path.
fn documented_things(file: &FileDescriptor) -> Vec<(String, Vec<i32>)> {
    let mut things = vec![];
    for service in file.services() {
        things.push((service.full_name().to_owned(), service.path().to_vec()));
        things.extend(service.methods().map(|method| (method.full_name().to_owned(), method.path().to_vec())));
    }
    for message in file.messages() {
        add_message(&message, &mut things);
    }
    for enumeration in file.enums() {
        add_enum(&enumeration, &mut things);
    }
    things
}

fn add_message(message: &MessageDescriptor, things: &mut Vec<(String, Vec<i32>)>) {
    if message.is_map_entry() {
        return;
    }
    things.push((message.full_name().to_owned(), message.path().to_vec()));
    things.extend(message.fields().map(|field| (field.full_name().to_owned(), field.path().to_vec())));
    message.child_messages().for_each(|child| add_message(&child, things));
    message.child_enums().for_each(|child| add_enum(&child, things));
}

fn add_enum(enumeration: &EnumDescriptor, things: &mut Vec<(String, Vec<i32>)>) {
    things.push((enumeration.full_name().to_owned(), enumeration.path().to_vec()));
    things.extend(enumeration.values().map(|value| (value.full_name().to_owned(), value.path().to_vec())));
}

#[test]
fn everything_in_the_protos_has_a_comment() {
    let mut bare = vec![];
    let mut seen = 0;
    for file in POOL.files().filter(|file| file.package_name().starts_with("nova.")) {
        let proto = file.file_descriptor_proto();
        let info = proto.source_code_info.as_ref().expect("the descriptors have their comments");
        let comments: BTreeMap<&[i32], &str> =
            info.location.iter().map(|at| (at.path.as_slice(), at.leading_comments())).collect();
        for (name, path) in documented_things(&file) {
            seen += 1;
            if comments.get(path.as_slice()).is_none_or(|comment| comment.trim().is_empty()) {
                bare.push(name);
            }
        }
    }
    assert!(seen > 300, "only {seen} things were found");
    assert!(bare.is_empty(), "without a comment: {bare:#?}");
}
