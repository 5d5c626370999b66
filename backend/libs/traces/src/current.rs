//! What is going on in a task.

use crate::{Kind, Span, TraceContext, TraceState};

tokio::task_local! {
    static CURRENT: Current;
}

/// Where a task stands.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// What is recorded.
    pub span: Option<Span>,
    /// Where that is in its trace; without a span, what is to be passed on: what came with the call, or that it is not recorded.
    pub context: Option<TraceContext>,
    /// What other tracers say to themselves.
    pub state: Option<TraceState>,
}

impl From<Span> for Current {
    fn from(span: Span) -> Self {
        Self { context: Some(span.context()), state: span.state().cloned(), span: Some(span) }
    }
}

impl Current {
    /// Work that would fill a collector with nothing, such as asking the same again and again: whoever is called by it and
    /// believes us records nothing of it.
    pub fn unrecorded() -> Self {
        Self { context: Some(TraceContext::root().unsampled()), ..Self::default() }
    }

    /// A span of what is a part of what is going on, if that is recorded.
    pub fn child(&self, name: impl FnOnce() -> String, kind: Kind) -> Option<Span> {
        self.span.as_ref().map(|span| span.child(name(), kind))
    }
}

/// Runs `work` as what is going on.
pub fn scope<F: Future>(current: Current, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current, work)
}

/// Runs `work` in a span, which ends with it; if there is none, as it is.
pub async fn in_span<F: Future>(span: Option<Span>, work: F) -> F::Output {
    match span {
        None => work.await,
        Some(span) => {
            let output = scope(span.clone().into(), work).await;
            span.end();
            output
        }
    }
}

/// What is going on in this task.
pub fn current() -> Current {
    CURRENT.try_with(Current::clone).unwrap_or_default()
}

/// Where this task stands, if a trace is known.
pub fn current_context() -> Option<TraceContext> {
    CURRENT.try_with(|current| current.context).ok().flatten()
}
