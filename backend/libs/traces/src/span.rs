//! Something that took time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use opentelemetry_proto::tonic::trace::v1 as pb;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::attributes::attribute;
use crate::{TraceContext, TraceState, Tracer, Value};

/// Attributes, events and links that one span has at most; more are counted.
const MOST: usize = 128;
/// The parent is another process's; and that this is known.
const REMOTE: u32 = 0x300;
/// It is known that the parent is our own.
const LOCAL: u32 = 0x100;

/// What kind of work it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Inside of the process.
    Internal,
    /// Answering a call.
    Server,
    /// Calling somebody.
    Client,
    /// Putting something where others take it from.
    Producer,
    /// Acting on what was put there.
    Consumer,
}

/// Something that takes time and is recorded; it ends with [`Self::end`], or with its last clone. Cheap to clone.
#[derive(Clone)]
pub struct Span(Arc<Inner>);

struct Inner {
    context: TraceContext,
    state: Option<TraceState>,
    tracer: Tracer,
    begun: Instant,
    /// None once it has ended.
    open: Mutex<Option<pb::Span>>,
}

/// Where a span comes from.
pub(crate) struct Origin {
    pub context: TraceContext,
    pub parent: Option<TraceContext>,
    pub state: Option<TraceState>,
    pub is_remote: bool,
}

impl Span {
    pub(crate) fn begin(tracer: Tracer, origin: Origin, name: String, kind: Kind, begun: Instant) -> Self {
        let Origin { context, parent, state, is_remote } = origin;
        let kind = match kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        };
        let open = pb::Span {
            trace_id: context.trace().to_vec(),
            span_id: context.span().to_vec(),
            parent_span_id: parent.map(|parent| parent.span().to_vec()).unwrap_or_default(),
            trace_state: state.as_ref().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            flags: u32::from(context.flags()) | if is_remote { REMOTE } else { LOCAL },
            name,
            kind: kind.into(),
            start_time_unix_nano: tracer.nanoseconds_ago(begun),
            ..pb::Span::default()
        };
        Self(Arc::new(Inner { context, state, tracer, begun, open: Mutex::new(Some(open)) }))
    }

    /// Its place in the trace.
    pub fn context(&self) -> TraceContext {
        self.0.context
    }

    /// What other tracers say to themselves.
    pub fn state(&self) -> Option<&TraceState> {
        self.0.state.as_ref()
    }

    /// A span of what is a part of this one.
    pub fn child(&self, name: impl Into<String>, kind: Kind) -> Self {
        let (parent, state) = (self.0.context, self.0.state.clone());
        let origin = Origin { context: parent.child(), parent: Some(parent), state, is_remote: false };
        Self::begin(self.0.tracer.clone(), origin, name.into(), kind, Instant::now())
    }

    /// Says something of it, under a name of the semantic conventions. Nothing that people have written, no address, no token.
    pub fn set(&self, key: &str, value: impl Into<Value>) -> &Self {
        if let Some(open) = self.open().as_mut() {
            push(&mut open.attributes, &mut open.dropped_attributes_count, attribute(key, value.into()));
        }
        self
    }

    /// Notes that something happened now.
    pub fn note(&self, name: &str) {
        let time_unix_nano = self.now();
        if let Some(open) = self.open().as_mut() {
            let event = Event { time_unix_nano, name: name.to_owned(), ..Event::default() };
            push(&mut open.events, &mut open.dropped_events_count, event);
        }
    }

    /// Says that it has to do with another span, of whatever trace.
    pub fn link(&self, other: TraceContext) {
        if let Some(open) = self.open().as_mut() {
            let link = Link {
                trace_id: other.trace().to_vec(),
                span_id: other.span().to_vec(),
                flags: other.flags().into(),
                ..Link::default()
            };
            push(&mut open.links, &mut open.dropped_links_count, link);
        }
    }

    /// Says that it has failed, and the kind of error.
    pub fn fail(&self, error: &str) {
        self.set("error.type", error);
        if let Some(open) = self.open().as_mut() {
            open.status = Some(pb::Status { code: StatusCode::Error.into(), ..pb::Status::default() });
        }
    }

    /// Ends it; what is said of it later is lost.
    pub fn end(&self) {
        let ended = self.open().take();
        if let Some(span) = ended {
            self.0.hand_over(span);
        }
    }

    /// The time by the service's clock, in nanoseconds since 1970.
    pub fn now(&self) -> u64 {
        self.0.tracer.nanoseconds_ago(Instant::now())
    }

    fn open(&self) -> MutexGuard<'_, Option<pb::Span>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn hand_over(&self, mut span: pb::Span) {
        let took = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        span.end_time_unix_nano = span.start_time_unix_nano.saturating_add(took);
        self.tracer.take(span);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(span) = open {
            self.hand_over(span);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({})", self.0.context)
    }
}

fn push<T>(list: &mut Vec<T>, dropped: &mut u32, item: T) {
    if list.len() < MOST {
        list.push(item);
    } else {
        *dropped += 1;
    }
}
