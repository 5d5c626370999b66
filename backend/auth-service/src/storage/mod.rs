//! SQL, one file a table. Every function takes the connection first, so that they compose in one transaction.
//!
//! Locks are always taken in the order users, user_roles, login_failures, credentials, totp, recovery_codes, one_time_tokens, sessions,
//! audit_chains; refresh_tokens come before all of them. Who issues tokens holds a shared lock on the person's `users` row, who changes
//! what tokens say or end holds an exclusive one: a session can't slip in beside the change that should have ended it.
//!
//! Of webhooks: webhook_lanes, webhook_deliveries, webhooks, audit_chains. Who locks many lanes may meet another who does; the database ends
//! one of the two, and that one's work comes again.

pub mod audit_chains;
pub mod audit_log;
pub mod credentials;
pub mod export;
pub mod login_failures;
pub mod one_time_tokens;
pub mod profile_sync;
pub mod refresh_tokens;
pub mod roles;
pub mod service_clients;
pub mod sessions;
pub mod signing_keys;
pub mod sweep;
pub mod totp;
pub mod user_lists;
pub mod users;
pub mod webhook_deliveries;
pub mod webhook_lanes;
pub mod webhook_sweep;
pub mod webhooks;
