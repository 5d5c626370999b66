//! What the service counts beside its calls.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Counters of the write path and of the streams, each method named for the event.
pub struct Metrics {
    batch: Histogram,
    abandoned: Counter,
    waiting: Gauge,
    delivered: Counter,
    lagged: Counter,
    slow: Counter,
    streams: Gauge,
    listening: Gauge,
    lag: Gauge,
}

impl Metrics {
    /// Makes the counters; the recorder must be installed already.
    pub fn register() -> Self {
        Self {
            batch: histogram!("nova_send_batch_messages"),
            abandoned: counter!("nova_send_abandoned_total"),
            waiting: gauge!("nova_send_waiting_messages"),
            delivered: counter!("nova_stream_events_delivered_total"),
            lagged: counter!("nova_stream_lagged_total"),
            slow: counter!("nova_stream_slow_readers_total"),
            streams: gauge!("nova_streams_open"),
            listening: gauge!("nova_stream_users"),
            lag: gauge!("nova_event_log_lag_seconds"),
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

    /// So many events were handed to streams.
    pub fn events_delivered(&self, events: u64) {
        self.delivered.increment(events);
    }

    /// A stream's queue was full: it reads from the log until it has caught up.
    pub fn stream_lagged(&self) {
        self.lagged.increment(1);
    }

    /// A stream was cut off.
    pub fn slow_reader(&self) {
        self.slow.increment(1);
    }

    /// So many streams of so many people are open, and the log has held back what it has for so long.
    pub fn streams(&self, streams: usize, users: usize, lag_ms: i64) {
        self.streams.set(streams as f64);
        self.listening.set(users as f64);
        self.lag.set(lag_ms as f64 / 1000.0);
    }

    /// This many messages wait in the lanes.
    pub fn send_waiting(&self, messages: usize) {
        self.waiting.set(u32::try_from(messages).unwrap_or(u32::MAX));
    }
}
