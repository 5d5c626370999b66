//! How a query learns that nobody waits for it any more.
//!
//! When a deadline passes or a client leaves, the server drops the future that answers it. A database connection that is
//! dropped that way may be in the middle of a query: it is closed instead of pooled, PostgreSQL sees the closed socket
//! (`client_connection_check_interval`) and cancels the query. To tell this drop from an ordinary one, the outermost layer
//! polls the call inside [`InRequest`]; a connection that was taken inside a call but is dropped outside of its polling
//! has been abandoned.
//!
//! A worker that bounds its steps by a time-out polls each inside [`InRequest`] too: `timeout(limit, InRequest::new(step))`.
//! What a step that took too long leaves behind is closed then. It must not be done inside a call: there the step would be
//! dropped while the call is polled, and its connections would be pooled in the middle of a query.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    static POLLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the current code runs inside the polling of a call.
pub fn is_polling() -> bool {
    POLLING.get()
}

/// A call whose abandonment closes the database connections that it holds.
pub struct InRequest<F>(Pin<Box<F>>);

impl<F: Future> InRequest<F> {
    /// Wraps the future that answers one call.
    pub fn new(call: F) -> Self {
        Self(Box::pin(call))
    }
}

impl<F: Future> Future for InRequest<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        struct Reset(bool);
        impl Drop for Reset {
            fn drop(&mut self) {
                POLLING.set(self.0);
            }
        }
        let _reset = Reset(POLLING.replace(true));
        self.0.as_mut().poll(cx)
    }
}
