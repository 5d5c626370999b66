//! Opens the way to the collector of traces that is configured.

use anyhow::Context;
use traces::{Collector, Identity, Tracer};

use crate::Lifecycle;
use crate::config::{Dialer, PeersTls, Traces};

/// What makes a service's spans, and a worker that carries them to the collector. Without one nothing is recorded. A collector
/// that does not answer holds nobody up.
///
/// # Errors
/// If its address, a header or a file of TLS can't be used.
pub fn tracer(service: &'static str, config: &Traces, life: &Lifecycle) -> anyhow::Result<Tracer> {
    if config.endpoint.is_empty() {
        return Ok(Tracer::default());
    }
    let key = |key: &str| format!("{service}.traces.{key}");
    let tls = PeersTls { ca: config.ca.clone(), ..PeersTls::default() };
    let peer = Dialer::open(&tls, None, life)?.peer(&config.endpoint, "", config.timeout)?;
    let collector = Collector {
        channel: peer.channel().with_context(|| key("endpoint"))?,
        headers: config.headers().with_context(|| key("headers"))?,
        timeout: config.timeout,
        queue: config.queue,
    };
    let identity = Identity {
        service: config.service_name(service),
        version: env!("CARGO_PKG_VERSION"),
        attributes: config.attributes().with_context(|| key("resource_attributes"))?,
    };
    let (ratio, trust) = (config.sample_ratio.value(), config.trust_callers);
    let (tracer, exporter) = Tracer::new(service, &identity, life.clock(), ratio, trust, collector);
    let stop = life.stopping().clone();
    life.spawn("traces", async move {
        exporter.run(stop).await;
        Ok(())
    });
    tracing::info!(service, "the {service} service sends traces to {}", config.endpoint);
    Ok(tracer)
}
