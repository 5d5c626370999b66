//! Who decides what is recorded, and makes the spans of it.

use std::sync::Arc;
use std::time::Instant;

use clock::Clock;
use http::HeaderMap;
use metrics::{Counter, counter};
use opentelemetry_proto::tonic::trace::v1 as pb;
use tokio::sync::mpsc;

use crate::exporter::{Collector, Exporter};
use crate::span::Origin;
use crate::{Current, Kind, Span, TraceContext, TraceState, dice};

/// What a service calls itself to the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: &'static str,
    /// More attributes of the resource.
    pub attributes: Vec<(String, String)>,
}

/// What came with a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// `traceparent`.
    pub parent: Option<TraceContext>,
    /// `tracestate`; nothing without a `traceparent`.
    pub state: Option<TraceState>,
}

impl Incoming {
    /// What stands in the headers. What is odd or long is ignored, and so are two `traceparent`s.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut parents = headers.get_all("traceparent").iter();
        let parent = match (parents.next(), parents.next()) {
            (Some(parent), None) => parent.to_str().ok().and_then(TraceContext::parse),
            _ => None,
        };
        Self { parent, state: parent.and_then(|_| TraceState::of(headers)) }
    }
}

/// Makes spans; without a collector, none. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    clock: Clock,
    /// Of 2⁶⁴ calls so many are recorded.
    sampled: u64,
    trust_callers: bool,
    queue: mpsc::Sender<pb::Span>,
    dropped: Counter,
}

impl Tracer {
    /// A tracer, and what carries its spans to the collector; that must be run. `ratio` of the calls that nobody has decided on
    /// are recorded. Callers who are not trusted do not decide, unless `trust_callers`.
    pub fn new(
        service: &'static str,
        identity: &Identity,
        clock: Clock,
        ratio: f64,
        trust_callers: bool,
        collector: Collector,
    ) -> (Self, Exporter) {
        let (queue, spans) = mpsc::channel(collector.queue);
        let dropped = counter!("nova_trace_spans_total", "service" => service, "outcome" => "dropped");
        // Exact at both ends: a cast from f64 saturates.
        let sampled = if ratio >= 1.0 { u64::MAX } else { (ratio.max(0.0) * 2f64.powi(64)) as u64 };
        let inner = Inner { clock, sampled, trust_callers, queue, dropped };
        (Self(Some(Arc::new(inner))), Exporter::new(service, identity, spans, collector))
    }

    /// Whether anything is ever recorded.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Where a call stands that began at `begun`. A caller who is trusted decides for us; of the others' calls we choose by
    /// chance, whatever they say, but leave them in the trace that they name.
    pub fn answer(
        &self,
        incoming: Incoming,
        is_trusted: bool,
        name: impl FnOnce() -> String,
        begun: Instant,
    ) -> Current {
        let Incoming { parent, state } = incoming;
        let Some(inner) = &self.0 else { return Current { span: None, context: parent, state } };
        let is_recorded = match parent {
            Some(parent) if is_trusted || inner.trust_callers => parent.is_sampled(),
            _ => dice::is_in(inner.sampled),
        };
        if !is_recorded {
            // Without a place in a trace, whom the call leads to would choose by chance again.
            let context = parent.unwrap_or_else(TraceContext::root).unsampled();
            return Current { span: None, context: Some(context), state };
        }
        let context = parent.map_or_else(TraceContext::root, TraceContext::child);
        let origin = Origin { context, parent, state, is_remote: parent.is_some() };
        Span::begin(self.clone(), origin, name(), Kind::Server, begun).into()
    }

    /// A span of what comes of something that Nova has written down, if that is recorded.
    pub fn follow(
        &self,
        parent: Option<TraceContext>,
        name: impl FnOnce() -> String,
        kind: Kind,
        begun: Instant,
    ) -> Option<Span> {
        let parent = parent.filter(|parent| self.is_on() && parent.is_sampled())?;
        let origin = Origin { context: parent.child(), parent: Some(parent), state: None, is_remote: true };
        Some(Span::begin(self.clone(), origin, name(), kind, begun))
    }

    pub(crate) fn nanoseconds_ago(&self, at: Instant) -> u64 {
        let Some(inner) = &self.0 else { return 0 };
        let now = inner.clock.now().timestamp_nanos_opt().unwrap_or(0).unsigned_abs();
        now.saturating_sub(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// A span that has ended.
    pub(crate) fn take(&self, span: pb::Span) {
        if let Some(inner) = &self.0
            && inner.queue.try_send(span).is_err()
        {
            inner.dropped.increment(1);
        }
    }
}
