//! The framework of Nova's cross-service tests.
//!
//! [`World::start`] gives a test three running services: those whose addresses [`GrpcConfig`] reads from the environment if
//! `SERVICES_RUNNING=true`, otherwise three that this process boots for itself, each with its own database, port, verifier
//! and service token, so that they talk to each other as three processes do. The same tests run against both.
//!
//! Tests make their own people ([`World::person`]) and look at nothing else, so their order, other tests and whatever a
//! provided installation holds do not matter to them.

mod channels;
pub mod grpc_helpers;
mod own;
mod people;
mod relay;
pub mod scenario;
mod service_name;
mod world;

pub use grpc_helpers::{GrpcConfig, GrpcTestError, Outcome, Refusal};
pub use own::SERVICE_SECRET;
pub use people::{Person, all_pages};
pub use relay::Link;
pub use scenario::IntegrationTestScenario;
pub use service_name::ServiceName;
pub use testkit::Dice;
pub use world::World;
