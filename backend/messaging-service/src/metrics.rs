//! What the service counts beside its calls.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Counters of the write path and of the streams, each method named for the event.
pub struct Metrics {
    batch: Histogram,
    wait: Histogram,
    commit: Histogram,
    refused: Counter,
    capacity: Gauge,
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
        describe();
        Self {
            batch: histogram!("nova_send_batch_messages"),
            wait: histogram!("nova_send_wait_seconds"),
            commit: histogram!("nova_send_commit_seconds"),
            refused: counter!("nova_send_refused_total"),
            capacity: gauge!("nova_send_waiting_messages_max"),
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

    /// The oldest message of a batch has waited so long for its lane.
    pub fn send_waited(&self, waited: Duration) {
        self.wait.record(waited);
    }

    /// A batch took the database so long, whatever it answered.
    pub fn send_committed(&self, took: Duration) {
        self.commit.record(took);
    }

    /// A message was refused because its lane was full.
    pub fn send_refused(&self) {
        self.refused.increment(1);
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

    /// This many messages wait in the lanes, of so many that may.
    pub fn send_waiting(&self, messages: usize, most: usize) {
        self.waiting.set(u32::try_from(messages).unwrap_or(u32::MAX));
        self.capacity.set(u32::try_from(most).unwrap_or(u32::MAX));
    }
}

fn describe() {
    describe_histogram!("nova_send_batch_messages", "Messages that went to the database in one statement");
    describe_histogram!("nova_send_wait_seconds", "How long the first message of a batch waited for its lane");
    describe_histogram!("nova_send_commit_seconds", "How long the database took for a batch of messages");
    describe_counter!("nova_send_refused_total", "Messages refused because their lane was full");
    describe_counter!("nova_send_abandoned_total", "Messages not sent because nobody waited for them any more");
    describe_gauge!("nova_send_waiting_messages", "Messages that wait in the lanes");
    describe_gauge!("nova_send_waiting_messages_max", "Most messages that may wait in the lanes");
    describe_counter!("nova_stream_events_delivered_total", "Events that were handed to streams");
    describe_counter!(
        "nova_stream_lagged_total",
        "Times that a stream's queue was full, so that it reads from the log"
    );
    describe_counter!("nova_stream_slow_readers_total", "Streams that were cut off because they read too slowly");
    describe_gauge!("nova_streams_open", "Streams of events that are open");
    describe_gauge!("nova_stream_users", "People who have a stream open");
    describe_gauge!("nova_event_log_lag_seconds", "How long the log of events has held back what it has");
    describe_counter!(
        "nova_contact_questions_unanswered_total",
        "Times that the user service did not say who may write to whom"
    );
    let _ = counter!("nova_contact_questions_unanswered_total");
}
