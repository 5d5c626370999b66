//! The messaging service: conversations, messages, read markers and unread counts.
//!
//! It owns the databases `nova_messaging` and, for people's keys, `nova_keys`. Messages of a conversation are numbered under the lock of its row, so order of
//! sequence is order of commit; writers form batches in [`app::lanes`]; who may write to whom is asked of the user service
//! and remembered in [`app::contact_view`].

pub mod admin;
pub mod app;
pub mod config;
pub mod grpc;
mod metrics;
pub mod model;
mod start;
pub mod storage;

pub use config::Config;
pub use start::{DATABASE, KEYS_DATABASE, KEYS_MIGRATOR, MIGRATOR, start, start_with};

/// Domain of this service's errors.
pub const DOMAIN: &str = "messaging.nova";
/// The configuration's section, and the name towards the database and the other services.
pub const NAME: &str = "messaging";
