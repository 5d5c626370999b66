//! What the service counts beside its calls.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Counters of the write path, each method named for the event.
pub struct Metrics {
    batch: Histogram,
    abandoned: Counter,
    waiting: Gauge,
}

impl Metrics {
    /// Makes the counters; the recorder must be installed already.
    pub fn register() -> Self {
        Self {
            batch: histogram!("nova_send_batch_messages"),
            abandoned: counter!("nova_send_abandoned_total"),
            waiting: gauge!("nova_send_waiting_messages"),
        }
    }

    /// A batch of this many messages goes to the database.
    pub fn send_batch(&self, messages: usize) {
        self.batch.record(u32::try_from(messages).unwrap_or(u32::MAX));
    }

    /// A message was not sent because nobody waited for it any more.
    pub fn send_abandoned(&self) {
        self.abandoned.increment(1);
    }

    /// This many messages wait in the lanes.
    pub fn send_waiting(&self, messages: usize) {
        self.waiting.set(u32::try_from(messages).unwrap_or(u32::MAX));
    }
}
