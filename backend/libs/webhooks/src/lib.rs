//! Sends messages to addresses that somebody else has chosen, signed as Standard Webhooks says.
//!
//! The address is not trusted: a [`Target`] is checked when it is entered, and every network address behind its name each time
//! that a connection is opened, by the [`Guard`], so that nobody reaches what only this machine can. What the receiver answers is
//! not trusted either: it is bounded in time and size, and redirects are not followed. Why so is said in docs/adr/0016.

mod answer;
mod guard;
mod resolve;
mod schedule;
mod secret;
mod sender;
mod target;

pub use answer::{Answer, EXCERPT_BYTES, Fault, Outcome};
pub use guard::Guard;
pub use resolve::{Resolve, SystemResolver};
pub use schedule::Schedule;
pub use secret::{Secret, SecretError};
pub use sender::{Attempt, Limits, Message, Sender, TrustError};
pub use target::{MAX_URL_BYTES, Target, TargetError};
