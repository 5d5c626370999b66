//! What a call knows of the call that caused it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static CONTEXT: CallContext;
}

/// Travels with the task that answers a call, and goes along on the calls that it makes.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// `x-request-id`: names the call in every log line of every service.
    pub request_id: Arc<str>,
    /// Whether the caller has tried before. It tries again where it may, so we don't do so in its stead.
    pub is_retry: bool,
}

impl CallContext {
    /// How long the caller still waits.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Runs `call` under `context`.
pub fn scope<F: Future>(context: CallContext, call: F) -> impl Future<Output = F::Output> {
    CONTEXT.scope(context, call)
}

/// The context of the call that is being answered, if any.
pub fn current() -> Option<CallContext> {
    CONTEXT.try_with(CallContext::clone).ok()
}
