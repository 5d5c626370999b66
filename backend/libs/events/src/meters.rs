//! What is measured of relays and consumers. Every meter is there from the start, at zero: a counter that appears with its first
//! event has no rate for it.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::Topic;

/// What becomes of an event that a consumer wants.
const OUTCOMES: [&str; 4] = ["handled", "repeated", "dead", "behind"];

/// Makes the meters of a relay.
pub(crate) fn of_relay(outbox: &'static str) {
    describe_counter!("nova_outbox_failures_total", "Times that a relay could not publish");
    describe_counter!("nova_outbox_published_total", "Events that were published");
    describe_gauge!("nova_outbox_rows", "Events that wait to be published");
    describe_gauge!(
        "nova_outbox_oldest_age_seconds",
        "How long the oldest event that waits to be published has waited"
    );
    let _ = counter!("nova_outbox_failures_total", "outbox" => outbox);
    let _ = counter!("nova_outbox_published_total", "outbox" => outbox);
    let _ = gauge!("nova_outbox_rows", "outbox" => outbox);
    let _ = gauge!("nova_outbox_oldest_age_seconds", "outbox" => outbox);
}

/// Makes the meters of a consumer.
pub(crate) fn of_consumer(consumer: &'static str, topics: &[Topic]) {
    describe_counter!(
        "nova_consumer_away_total",
        "Times that a consumer could not follow its bus, so that events wait"
    );
    describe_counter!("nova_consumer_events_total", "Events that a consumer wants, by what became of them");
    describe_counter!("nova_consumer_failures_total", "Times that a consumer failed to act on an event");
    describe_counter!(
        "nova_consumer_missed_total",
        "Times that a consumer was away for longer than the bus keeps events"
    );
    describe_gauge!("nova_consumer_lag_seconds", "How old the oldest event is that a consumer has not looked at");
    describe_gauge!("nova_dead_letters", "Events that a consumer could not act on, and those behind them");
    for outcome in OUTCOMES {
        let _ = counter!("nova_consumer_events_total", "consumer" => consumer, "outcome" => outcome);
    }
    let _ = counter!("nova_consumer_away_total", "consumer" => consumer);
    let _ = counter!("nova_consumer_failures_total", "consumer" => consumer);
    let _ = gauge!("nova_dead_letters", "consumer" => consumer);
    for topic in topics {
        let _ = counter!("nova_consumer_missed_total", "consumer" => consumer, "topic" => topic.name());
        let _ = gauge!("nova_consumer_lag_seconds", "consumer" => consumer, "topic" => topic.name());
    }
}
