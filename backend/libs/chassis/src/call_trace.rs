//! What a trace says of a call: decided once it is known who calls, and ended with the call's status.

use std::sync::OnceLock;
use std::time::Instant;

use http::HeaderMap;
use tonic::Code;
use traces::{Current, Incoming, Span, TraceContext, Tracer};

/// Codes that say that it was the service that failed, not its caller.
const FAULTS: [Code; 6] =
    [Code::Unknown, Code::DeadlineExceeded, Code::Unimplemented, Code::Internal, Code::Unavailable, Code::DataLoss];

/// A call and its place in a trace.
pub(crate) struct CallTrace<'a> {
    tracer: &'a Tracer,
    incoming: Incoming,
    /// Full name of the RPC.
    method: &'a str,
    request_id: &'a str,
    begun: Instant,
    current: OnceLock<Current>,
}

impl<'a> CallTrace<'a> {
    /// Of a call that has begun.
    pub fn new(
        tracer: &'a Tracer,
        headers: &HeaderMap,
        (path, request_id): (&'a str, &'a str),
        begun: Instant,
    ) -> Self {
        let method = path.trim_start_matches('/');
        let incoming = Incoming::of(headers);
        Self { tracer, incoming, method, request_id, begun, current: OnceLock::new() }
    }

    /// Where the caller stands.
    pub fn caller(&self) -> Option<TraceContext> {
        self.incoming.parent
    }

    /// Decides whether it is recorded. Only Nova's own services are believed when they say that it is.
    pub fn decide(&self, is_service: bool) -> &Current {
        self.current.get_or_init(|| {
            let current = self.tracer.answer(self.incoming.clone(), is_service, || self.method.to_owned(), self.begun);
            if let Some(span) = &current.span {
                span.set("rpc.system.name", "grpc").set("rpc.method", self.method);
                span.set("nova.request.id", self.request_id);
                let log = tracing::Span::current();
                log.record("trace_id", tracing::field::display(span.context().trace_id()));
                log.record("span_id", tracing::field::display(span.context().span_id()));
            }
            current
        })
    }

    /// The span, for who ends it. A call that was refused before anybody knew who called is a stranger's.
    pub fn span(&self) -> Option<Span> {
        if self.tracer.is_on() { self.decide(false).span.clone() } else { None }
    }
}

/// Ends a call's span.
pub(crate) fn end(span: &Span, code: usize) {
    let code = Code::from_i32(i32::try_from(code).unwrap_or(2));
    span.set("rpc.response.status_code", rpc::code_name(code));
    if FAULTS.contains(&code) {
        span.fail(rpc::code_name(code));
    }
    span.end();
}
