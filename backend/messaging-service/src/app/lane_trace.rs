//! The lanes in traces: each send that is recorded has a span for its wait and its commit, and a batch has one that all of them are
//! linked to; it is a part of the first one's trace.

use traces::{Kind, Span};

/// What the batches call.
const FUNCTION: &str = "send_messages_v3";

/// The span of a send, from when it gets in line until it is answered.
pub fn wait() -> Option<Span> {
    traces::current().child(|| "commit message".to_owned(), Kind::Internal)
}

/// The span of a batch, if any of its sends is recorded.
pub fn batch<'s>(sends: impl Iterator<Item = Option<&'s Span>>, size: usize) -> Option<Span> {
    let mut recorded = sends.flatten();
    let first = recorded.next()?;
    let batch = first.child(format!("{FUNCTION} {}", crate::DATABASE), Kind::Client);
    batch.set("db.system.name", "postgresql").set("db.namespace", crate::DATABASE);
    batch.set("db.stored_procedure.name", FUNCTION).set("db.operation.batch.size", size);
    for send in recorded {
        batch.link(send.context());
        send.link(batch.context());
    }
    Some(batch)
}

/// It is committed, and everybody is told to look.
pub fn committed(batch: Option<&Span>) {
    if let Some(batch) = batch {
        batch.note("readers woken");
        batch.end();
    }
}

/// Nobody knows whether it is, or it is not.
pub fn failed(batch: Option<&Span>) {
    if let Some(batch) = batch {
        batch.fail("not_committed");
        batch.end();
    }
}
