//! A collector of traces: takes OTLP over gRPC, and shows what it was told. It can be made to misbehave.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

use crate::eventually;

/// What a collector does with what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Takes it.
    Take,
    /// Says no.
    Refuse(Code),
    /// Never answers.
    Hang,
    /// Says that it has thrown away more than there was.
    Lie,
}

/// A span as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSpan {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`: one for each process.
    pub instance: String,
    /// What it is called.
    pub name: String,
    /// `Server`, `Client` and the like.
    pub kind: String,
    /// In hexadecimal digits.
    pub trace_id: String,
    /// In hexadecimal digits.
    pub span_id: String,
    /// In hexadecimal digits; empty: none.
    pub parent_id: String,
    /// What is said of it.
    pub attributes: BTreeMap<String, String>,
    /// What happened meanwhile.
    pub events: Vec<String>,
    /// The spans that it is linked to, by their ids.
    pub links: Vec<String>,
    /// `tracestate`.
    pub state: String,
    /// Whether it failed.
    pub is_error: bool,
    /// From when to when, in nanoseconds since 1970.
    pub time: (u64, u64),
}

/// See the module. It ends with this.
pub struct Collector {
    inner: Arc<Inner>,
    endpoint: String,
    _end: oneshot::Sender<()>,
}

struct Inner {
    manners: Mutex<Manners>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<SeenSpan>,
    /// Requests, whatever was done with them, and the headers of the last.
    requests: usize,
    headers: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let inner = Arc::new(Inner { manners: Mutex::new(Manners::Take), seen: Mutex::default() });
        let (end, ended) = oneshot::channel::<()>();
        let service = TraceServiceServer::new(Taker(Arc::clone(&inner)));
        let serving = Server::builder().add_service(service).serve_with_incoming_shutdown(
            TcpIncoming::from(listener),
            async move {
                let _ = ended.await;
            },
        );
        tokio::spawn(serving);
        Self { inner, endpoint, _end: end }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What it does from now on.
    pub fn behave(&self, manners: Manners) {
        *lock(&self.inner.manners) = manners;
    }

    /// Everything that it has taken.
    pub fn spans(&self) -> Vec<SeenSpan> {
        lock(&self.inner.seen).spans.clone()
    }

    /// What it has taken of one trace.
    pub fn trace(&self, trace_id: &str) -> Vec<SeenSpan> {
        self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }

    /// How often it was asked, and the headers of the last request.
    pub fn requests(&self) -> (usize, BTreeMap<String, String>) {
        let seen = lock(&self.inner.seen);
        (seen.requests, seen.headers.clone())
    }

    /// Waits until a trace holds what is looked for.
    pub async fn until<T>(&self, what: &str, trace_id: &str, look: impl Fn(&[SeenSpan]) -> Option<T>) -> T {
        eventually(what, Duration::from_secs(30), async || look(&self.trace(trace_id))).await
    }
}

struct Taker(Arc<Inner>);

#[tonic::async_trait]
impl TraceService for Taker {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let manners = *lock(&self.0.manners);
        let headers = request.metadata().clone().into_headers();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        {
            let mut seen = lock(&self.0.seen);
            seen.requests += 1;
            seen.headers =
                headers.iter().map(|(key, value)| (key.as_str().to_owned(), text(value.as_bytes()))).collect();
        }
        match manners {
            Manners::Take | Manners::Lie => {}
            Manners::Refuse(code) => return Err(Status::new(code, "no")),
            Manners::Hang => std::future::pending::<()>().await,
        }
        lock(&self.0.seen).spans.extend(spans(request.into_inner()));
        let partial_success = (manners == Manners::Lie)
            .then(|| ExportTracePartialSuccess { rejected_spans: i64::MAX, error_message: "x".repeat(1000) });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<SeenSpan> {
    let mut seen = vec![];
    for of_resource in request.resource_spans {
        let about = attributes(&of_resource.resource.unwrap_or_default().attributes);
        let said = |key: &str| about.get(key).cloned().unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            seen.push(one(span, said("service.name"), said("service.instance.id")));
        }
    }
    seen
}

fn one(span: Span, service: String, instance: String) -> SeenSpan {
    SeenSpan {
        service,
        instance,
        kind: format!("{:?}", span.kind()),
        name: span.name,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        attributes: attributes(&span.attributes),
        events: span.events.into_iter().map(|event| event.name).collect(),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        state: span.trace_state,
        is_error: span.status.is_some_and(|status| status.code() == StatusCode::Error),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    list.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
