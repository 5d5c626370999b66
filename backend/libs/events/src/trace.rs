//! Events in traces. An event carries the place of its change (CloudEvents' extension for distributed tracing), however often and
//! over whatever bus it goes; what is done about it are children of that.

use std::time::Instant;

use traces::{Current, Kind, Span, TraceContext, Tracer};

use crate::{Bus, Event};

/// Why a publication that did not succeed is repeated.
const NOT_TAKEN: &str = "not_taken";
/// Why an event is acted on once more.
const NOT_HANDLED: &str = "not_handled";

fn context(event: &Event) -> Option<TraceContext> {
    event.traceparent.as_deref().and_then(TraceContext::parse)
}

/// The spans of events that are about to be published: each with its place among them. Events that are not recorded have none.
pub(crate) fn publications(tracer: &Tracer, bus: &Bus, events: &[&Event]) -> Vec<(usize, Span)> {
    if !tracer.is_on() {
        return vec![];
    }
    let begun = Instant::now();
    let span = |(at, event): (usize, &&Event)| {
        let span = tracer.follow(context(event), || format!("publish {}", event.topic), Kind::Producer, begun)?;
        describe(&span, bus.system(), event);
        span.set("messaging.operation.name", "publish").set("messaging.operation.type", "send");
        span.set("messaging.batch.message_count", events.len());
        Some((at, span))
    };
    events.iter().enumerate().filter_map(span).collect()
}

/// The bus has got the first `accepted` events.
pub(crate) fn published(spans: Vec<(usize, Span)>, accepted: usize) {
    for (at, span) in spans {
        if at >= accepted {
            span.fail(NOT_TAKEN);
        }
        span.end();
    }
}

/// The span of a consumer that acts on an event.
pub(crate) fn process(tracer: &Tracer, consumer: &str, system: &str, event: &Event) -> Option<Span> {
    if !tracer.is_on() {
        return None;
    }
    let span = tracer.follow(context(event), || format!("process {}", event.topic), Kind::Consumer, Instant::now())?;
    describe(&span, system, event);
    span.set("messaging.operation.name", "process").set("messaging.operation.type", "process");
    span.set("messaging.consumer.group.name", consumer);
    Some(span)
}

/// What is going on while a consumer acts on an event.
pub(crate) fn current(span: Option<&Span>, event: &Event) -> Current {
    let passed_on = || Current { context: context(event), ..Current::default() };
    span.cloned().map_or_else(passed_on, Current::from)
}

/// What the consumer came to.
pub(crate) fn processed(span: &Span, is_done: bool) {
    if !is_done {
        span.fail(NOT_HANDLED);
    }
    span.end();
}

fn describe(span: &Span, system: &str, event: &Event) {
    span.set("messaging.system", system).set("messaging.destination.name", event.topic.name());
    span.set("messaging.message.id", event.id.to_string());
    span.set("cloudevents.event_type", event.kind.as_str()).set("cloudevents.event_source", event.topic.source());
}
