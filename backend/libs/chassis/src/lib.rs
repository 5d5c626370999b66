//! What every Nova process does, whatever it serves: configuration, telemetry, listeners, health, and a clean start and stop.

mod address;
mod age;
mod bus;
mod call_trace;
pub mod config;
mod connection;
mod deadline;
mod exemplars;
mod grpc_web;
mod guard;
mod health;
mod hsts;
mod lifecycle;
mod listener;
mod log_format;
mod needs;
mod openmetrics;
mod process;
mod rates;
mod refusal;
mod service;
mod slots;
mod spans;
mod streams;
pub mod telemetry;

pub use address::PeerAddress;
pub use bus::{learn_of_tokens, open_bus, relay, watch_events};
pub use guard::{Guard, GuardLayer};
pub use health::Readiness;
pub use lifecycle::{Lifecycle, exit_code};
pub use listener::bind;
pub use needs::{all_answer, open_database, verifier};
pub use rates::limiter;
pub use service::{ContactHook, Running, Service, Wiring, front_door};
pub use spans::tracer;
