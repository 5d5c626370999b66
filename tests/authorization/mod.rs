//! Who may do what: each cell of the services' rules ([`authn::Rule`]) is tried, over gRPC and over every REST route.
//!
//! [`scene`] makes two people who stand to each other as the kind of caller says, [`asks`] the request of a case, [`wire`]
//! sends it over each transport, and [`matrix`] compares what comes of it with the table. [`page`] holds the table against
//! docs/AUTHORIZATION.md.

mod asks;
mod callers;
mod judge;
mod matrix;
mod pace;
mod page;
mod routes;
mod scene;
mod wire;

use authn::Rule;
use test_harness::ServiceName;

/// A service's rules.
fn rules(service: ServiceName) -> &'static [Rule] {
    match service {
        ServiceName::Auth => auth_service::grpc::RULES,
        ServiceName::User => user_service::grpc::RULES,
        ServiceName::Messaging => messaging_service::grpc::RULES,
    }
}
