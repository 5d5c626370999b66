//! Peers that misbehave in every way, and what that costs who calls them.

mod circuits;
mod credentials;
mod deadlines;
mod fake;
mod replicas;
mod retries;
mod token_state;

use std::time::Duration;

use rpc::CallContext;
use tokio::time::Instant;

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of a call that ends after `left`.
fn context(left: Duration) -> CallContext {
    CallContext { deadline: Instant::now() + left, request_id: "a-call".into(), is_retry: false }
}
