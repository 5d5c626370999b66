//! Which calls are made again, and when: those that may be repeated, of statuses that pass, after a jittered back-off that
//! grows or the wait that the peer asks for.

use std::time::Duration;

use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::dice;

/// Tries of one call, the first included.
pub(crate) const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// Marks a request, among its extensions, as one that may be repeated without harm.
#[derive(Clone, Copy, Debug)]
pub struct Idempotent;

/// A request that may be repeated without harm: it is, at most twice, where the peer's budget, the caller's deadline and the
/// wait that the peer asks for leave room. A call that is itself a retry of our caller's is not: retries of retries multiply.
pub fn idempotent<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Idempotent);
    request
}

/// How long to wait before another try after `tried` of them, if the status is one that passes.
pub(crate) fn wait_after(tried: u32, status: &Status) -> Option<Duration> {
    if tried >= TRIES || !matches!(status.code(), Code::Unavailable | Code::Aborted) {
        return None;
    }
    let back_off = dice::jittered(FIRST_WAIT * 4u32.pow(tried - 1));
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    Some(back_off.max(asked.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn only_passing_failures_are_tried_again_and_not_for_ever() {
        let wait = |tried, code| wait_after(tried, &Status::new(code, "x"));
        for _ in 0..100 {
            let (first, second) = (wait(1, Code::Unavailable), wait(2, Code::Aborted));
            assert!(first.is_some_and(|wait| (12..=25).contains(&wait.as_millis())), "{first:?}");
            assert!(second.is_some_and(|wait| (50..=100).contains(&wait.as_millis())), "{second:?}");
        }
        assert_eq!(wait(3, Code::Unavailable), None);
        for code in [Code::NotFound, Code::DeadlineExceeded, Code::ResourceExhausted, Code::Internal, Code::Unknown] {
            assert_eq!(wait(1, code), None, "{code:?}");
        }
    }

    #[test]
    fn a_peer_that_asks_for_a_longer_wait_gets_it() {
        let asked = Duration::from_secs(1);
        let details = ErrorDetails::with_retry_info(Some(asked));
        assert_eq!(wait_after(1, &Status::with_error_details(Code::Unavailable, "x", details)), Some(asked));
    }
}
