//! One runtime for everything, on the thread of the fuzzer.

use std::future::Future;

use tokio::runtime::{Builder, EnterGuard, Runtime};

thread_local! {
    static RUNTIME: &'static Runtime = Box::leak(Box::new(
        // Whatever waits for time to pass goes on at once when nothing else is left to do.
        Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime can be made"),
    ));
}

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Lets what follows spawn tasks.
pub fn enter() -> EnterGuard<'static> {
    RUNTIME.with(|runtime| runtime.enter())
}
