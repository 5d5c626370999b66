//! The request of each case: good in everything, so that nothing but who calls decides.

mod auth;
mod messaging;
mod user;

use clock::Clock;
use ids::SessionId;
use serde_json::Value;
use test_harness::{Outcome, ServiceName, World};

use super::scene::Scene;

/// What is asked.
pub struct Ask {
    /// The request in JSON, with the names of the proto.
    pub request: Value,
    /// What the case is about, where the answer shows it.
    pub shows: Option<String>,
}

impl Ask {
    fn new(request: Value) -> Self {
        Self { request, shows: None }
    }

    fn showing(request: Value, shows: &str) -> Self {
        Self { request, shows: Some(shows.to_owned()) }
    }
}

/// The request of a case.
pub async fn ask(world: &World, scene: &Scene, service: ServiceName, rpc: &str, case: &str) -> Outcome<Ask> {
    match service {
        ServiceName::Auth => auth::ask(world, scene, rpc).await,
        ServiceName::User => user::ask(world, scene, rpc, case).await,
        ServiceName::Messaging => messaging::ask(world, scene, rpc, case).await,
    }
}

/// Whether a call may share a scene with others though it is done: neither it nor its preparation changes what others see.
pub fn changes_nothing(rpc: &str, case: &str) -> bool {
    const READS: [&str; 7] = ["Get", "List", "Check", "Search", "VerifyToken", "Stream", "Export"];
    const OPENS: [&str; 5] = ["Register", "Login", "RefreshToken", "RequestPasswordReset", "IssueServiceToken"];
    let is_harmless = READS.iter().chain(&OPENS).any(|prefix| rpc.starts_with(prefix));
    is_harmless && is_prepared_aside(rpc, case)
}

/// Whether the preparation leaves the person as they are.
pub fn is_prepared_aside(rpc: &str, case: &str) -> bool {
    case != "of a private account" && rpc != "RespondToFollowRequest"
}

/// An id that nobody has.
pub fn nobodys_id() -> String {
    SessionId::generate(Clock::system().now()).to_string()
}
