//! Traces: which call caused what, across services, the outbox, the bus and the streams (docs/TRACING.md).
//!
//! A [`Span`] is something that took time; it goes to a collector over OTLP. Where in which trace one stands is a
//! [`TraceContext`], as W3C writes it: that goes along on calls and stands in rows. What is going on in a task is found by
//! [`current()`]. Without a collector there are no spans, and contexts are passed on as they came.
//!
//! Nothing here waits for the collector: a span that finds the queue full is dropped and counted.

mod attributes;
mod context;
mod current;
mod dice;
mod exporter;
mod fanout;
mod span;
mod state;
mod tracer;

pub use attributes::Value;
pub use context::TraceContext;
pub use current::{Current, current, current_context, in_span, scope};
pub use exporter::{Collector, Exporter};
pub use fanout::Fanout;
pub use span::{Kind, Span};
pub use state::TraceState;
pub use tracer::{Identity, Incoming, Tracer};
