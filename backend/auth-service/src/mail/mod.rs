//! Mails: written here, queued, sent off the callers' time by SMTP or shown in the log.

mod letter;
mod outbox;

pub use letter::{Letter, Template};
pub use outbox::{Job, MailQueue, Outbox, transport};
