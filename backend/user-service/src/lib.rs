//! The user service: profiles, settings, follows, blocks and search.
//!
//! `grpc` decodes and encodes, `app` holds the use cases, `model` the rules without I/O, `storage` the SQL, `peers` the calls to
//! other services, `memory` what is remembered of the database. Everything that starts the service, the tests too, goes through [`start()`].

pub mod admin;
pub mod app;
pub mod config;
pub mod grpc;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod peers;
mod start;
pub mod storage;

pub use config::Config;
pub use start::{DATABASE, MIGRATOR, start};

/// The domain of the service's errors in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "user.nova";
