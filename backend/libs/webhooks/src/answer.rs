//! What came of sending a message.

use std::time::Duration;

/// Most bytes of an answer's body that are kept.
pub const EXCERPT_BYTES: usize = 1_024;

/// What the receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks to be left alone (`retry-after`, in seconds).
    pub retry_after: Option<Duration>,
    /// The beginning of its body, at most [`EXCERPT_BYTES`], as text.
    pub excerpt: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name has no network address, or nobody can say.
    #[error("the name can't be resolved")]
    Name,
    /// One of the name's network addresses may not be reached, or not without TLS.
    #[error("the address is not on the public internet, or not allowed without TLS")]
    Forbidden,
    /// Nobody listens there.
    #[error("no connection can be opened")]
    Connect,
    /// The certificate is not believed, or no TLS is spoken.
    #[error("TLS fails: the certificate is not trusted, or the receiver speaks no TLS")]
    Tls,
    /// It took too long.
    #[error("the receiver did not answer in time")]
    Timeout,
    /// The secret can't be opened, so nothing was sent. For who keeps the secrets; a sender does not give it.
    #[error("the secret can't be opened")]
    Secret,
    /// The connection ended before the answer was there, or what came was no HTTP.
    #[error("the connection ended without an answer")]
    Broken,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Name, Self::Forbidden, Self::Connect, Self::Tls, Self::Timeout, Self::Secret, Self::Broken];

    /// Its name in tables, in metrics and over the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "NAME_NOT_RESOLVED",
            Self::Forbidden => "ADDRESS_FORBIDDEN",
            Self::Connect => "CONNECTION_REFUSED",
            Self::Tls => "TLS_FAILED",
            Self::Timeout => "TIMEOUT",
            Self::Secret => "SECRET_UNREADABLE",
            Self::Broken => "CONNECTION_BROKEN",
        }
    }
}

/// What an attempt means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it (2xx).
    Delivered,
    /// The receiver wants no more messages (410).
    Gone,
    /// To be tried again, and not before this has passed.
    Failed(Duration),
}

/// The longest wait that a receiver is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Outcome {
    /// What a receiver's answer, or that there was none, means.
    pub fn of(result: &Result<Answer, Fault>) -> Self {
        match result {
            Ok(answer) if (200..300).contains(&answer.status) => Self::Delivered,
            Ok(answer) if answer.status == 410 => Self::Gone,
            Ok(answer) => Self::Failed(answer.retry_after.unwrap_or_default().min(LONGEST_WAIT)),
            Err(_) => Self::Failed(Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, Fault> {
        Ok(Answer { status, retry_after: retry_after.map(Duration::from_secs), excerpt: String::new() })
    }

    #[test]
    fn only_success_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(Outcome::of(&answer(status, None)), Outcome::Delivered, "{status}");
        }
        // A redirect is a failure: following it would lead past the checks.
        for status in [301, 302, 304, 307, 400, 401, 404, 429, 500, 503] {
            assert_eq!(Outcome::of(&answer(status, None)), Outcome::Failed(Duration::ZERO), "{status}");
        }
        assert_eq!(Outcome::of(&answer(410, None)), Outcome::Gone);
        for fault in Fault::ALL {
            assert_eq!(Outcome::of(&Err(fault)), Outcome::Failed(Duration::ZERO), "{fault:?}");
        }
    }

    #[test]
    fn a_receiver_may_ask_for_a_pause_within_reason() {
        assert_eq!(Outcome::of(&answer(429, Some(30))), Outcome::Failed(Duration::from_secs(30)));
        assert_eq!(Outcome::of(&answer(503, Some(u64::MAX))), Outcome::Failed(LONGEST_WAIT));
    }
}
