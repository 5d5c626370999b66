//! At most three tries for calls that may be repeated, with jittered exponential back-off, within the caller's deadline.

use std::time::Duration;

use aws_lc_rs::rand;
use tonic::{Code, Status};

const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// Marks a call as one that may be repeated without harm.
#[derive(Clone, Copy, Debug)]
pub struct Idempotent;

/// Calls until an answer is final, at most three times.
///
/// # Errors
/// The last status.
pub async fn retry<T, F>(_: Idempotent, mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut wait = FIRST_WAIT;
    for tried in 1.. {
        match call().await {
            Err(status) if tried < TRIES && is_passing(&status) && has_time_for(wait) => {
                tokio::time::sleep(jittered(wait)).await;
                wait *= 4;
            }
            answer => return answer,
        }
    }
    unreachable!("the loop ends with its last try")
}

fn is_passing(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Aborted)
}

fn has_time_for(wait: Duration) -> bool {
    crate::current().is_none_or(|context| context.remaining() > wait * 2)
}

/// Between half of `wait` and all of it, so that many callers do not come back at the same moment.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0u8; 1];
    rand::fill(&mut byte).expect("the system's random source does not fail");
    wait / 2 + wait * u32::from(byte[0]) / 512
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    async fn tries_with(code: Code) -> u32 {
        let tries = Cell::new(0);
        let answer: Result<(), _> = retry(Idempotent, || {
            tries.set(tries.get() + 1);
            async { Err(Status::new(code, "x")) }
        })
        .await;
        assert_eq!(answer.expect_err("it always fails").code(), code);
        tries.get()
    }

    #[tokio::test(start_paused = true)]
    async fn only_passing_failures_are_tried_again() {
        assert_eq!(tries_with(Code::Unavailable).await, 3);
        assert_eq!(tries_with(Code::NotFound).await, 1);
        assert_eq!(tries_with(Code::DeadlineExceeded).await, 1);
    }
}
