//! Carries spans to the collector, from a queue that is bounded. Only here anybody waits for it.

use std::time::Duration;

use metrics::{Counter, counter};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, AsciiMetadataKey, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::attributes::attribute;
use crate::{Identity, dice};

/// Spans in one request.
const BATCH: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(500);
/// How often a request is sent that the collector did not take because it was away or busy.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How long a stop may take for what is still to be sent.
const FLUSH: Duration = Duration::from_secs(3);
/// At a stop: when nothing more has come for so long, that was all.
const LAST_CALL: Duration = Duration::from_millis(50);
/// An answer says how many spans were refused; it has no reason to be longer.
const MAX_ANSWER: usize = 64 * 1024;

/// The collector, and what it may cost.
pub struct Collector {
    /// Where it is.
    pub channel: Channel,
    /// What is sent with each request, such as who we are to it.
    pub headers: Vec<(AsciiMetadataKey, MetadataValue<Ascii>)>,
    /// How long it may take for a request.
    pub timeout: Duration,
    /// Spans that wait for it; more are dropped.
    pub queue: usize,
}

/// See the module.
pub struct Exporter {
    spans: mpsc::Receiver<Span>,
    client: TraceServiceClient<Channel>,
    headers: Vec<(AsciiMetadataKey, MetadataValue<Ascii>)>,
    timeout: Duration,
    resource: Resource,
    scope: InstrumentationScope,
    meters: Meters,
    is_failing: bool,
}

struct Meters {
    exported: Counter,
    /// The collector said that it did not want them.
    rejected: Counter,
    /// It could not be had, or said no to the request.
    failed: Counter,
}

impl Exporter {
    pub(crate) fn new(
        service: &'static str,
        identity: &Identity,
        spans: mpsc::Receiver<Span>,
        collector: Collector,
    ) -> Self {
        let outcome =
            |outcome: &'static str| counter!("nova_trace_spans_total", "service" => service, "outcome" => outcome);
        let Collector { channel, headers, timeout, .. } = collector;
        let meters = Meters { exported: outcome("exported"), rejected: outcome("rejected"), failed: outcome("failed") };
        Self {
            spans,
            client: TraceServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER),
            headers,
            timeout,
            resource: resource(identity),
            scope: InstrumentationScope {
                name: "nova".to_owned(),
                version: identity.version.to_owned(),
                ..Default::default()
            },
            meters,
            is_failing: false,
        }
    }

    /// Sends what comes until the process stops, and then, within a bound, what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                open = self.gather(&mut batch) => if !open { return },
            }
            let sending = self.export(std::mem::take(&mut batch));
            let mut sending = std::pin::pin!(sending);
            // A stop does not wait for the tries that a collector gets which is away.
            tokio::select! {
                biased;
                () = &mut sending => continue,
                () = stop.cancelled() => {}
            }
            let _ = timeout(FLUSH, sending).await;
            break;
        }
        if timeout(FLUSH, self.flush(batch)).await.is_err() {
            tracing::warn!("the collector did not take the last spans within {FLUSH:?}");
        }
    }

    /// Waits for a span, and a little for those that come after it. False when nobody can send any more.
    async fn gather(&mut self, batch: &mut Vec<Span>) -> bool {
        if batch.is_empty() && self.spans.recv_many(batch, BATCH).await == 0 {
            return false;
        }
        let until = Instant::now() + GATHER;
        while batch.len() < BATCH {
            let left = BATCH - batch.len();
            match timeout_at(until, self.spans.recv_many(batch, left)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    async fn flush(&mut self, mut batch: Vec<Span>) {
        loop {
            let left = BATCH.saturating_sub(batch.len()).max(1);
            let came = timeout(LAST_CALL, self.spans.recv_many(&mut batch, left)).await.unwrap_or(0);
            if came > 0 && batch.len() < BATCH {
                continue;
            }
            if batch.is_empty() {
                return;
            }
            self.export(std::mem::take(&mut batch)).await;
        }
    }

    async fn export(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let spans = ScopeSpans { scope: Some(self.scope.clone()), spans: batch, ..ScopeSpans::default() };
        let of_resource = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![spans],
            ..ResourceSpans::default()
        };
        let request = ExportTraceServiceRequest { resource_spans: vec![of_resource] };
        match self.send(request).await {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.meters.rejected.increment(rejected);
                self.meters.exported.increment(count - rejected);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(status) => {
                self.meters.failed.increment(count);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!("the collector does not take spans, they are lost: {:?}", status.code());
                }
            }
        }
    }

    /// How many of the spans the collector did not want.
    async fn send(&mut self, request: ExportTraceServiceRequest) -> Result<u64, Status> {
        let mut tries = 0;
        loop {
            let mut request = Request::new(request.clone());
            for (key, value) in &self.headers {
                request.metadata_mut().insert(key.clone(), value.clone());
            }
            let answer = timeout(self.timeout, self.client.export(request)).await;
            let status = match answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("too slow"))) {
                Ok(answer) => {
                    let refused = answer.into_inner().partial_success;
                    return Ok(refused.map_or(0, |refused| u64::try_from(refused.rejected_spans).unwrap_or(0)));
                }
                Err(status) => status,
            };
            tries += 1;
            // Those that OTLP says may be tried again. A collector that is slow has had its time.
            let again =
                matches!(status.code(), Code::Unavailable | Code::Aborted | Code::Cancelled | Code::ResourceExhausted);
            if !again || tries >= TRIES {
                return Err(status);
            }
            sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
        }
    }
}

fn resource(identity: &Identity) -> Resource {
    let instance = uuid::Builder::from_random_bytes(dice::bytes()).into_uuid().to_string();
    let own = [
        ("service.name", identity.service.as_str()),
        ("service.namespace", "nova"),
        ("service.version", identity.version),
        ("service.instance.id", &instance),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "nova"),
        ("telemetry.sdk.version", identity.version),
    ];
    let more = identity.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    // What the operator says wins.
    let own = own.into_iter().filter(|(key, _)| !identity.attributes.iter().any(|(other, _)| other == key));
    let attributes = own.chain(more).map(|(key, value)| attribute(key, value.into())).collect();
    Resource { attributes, ..Resource::default() }
}
