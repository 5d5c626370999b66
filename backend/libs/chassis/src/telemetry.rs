//! Logs and metrics of a process.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::log_format::WithIds;

/// Upper bounds of the buckets of a call's duration, in seconds: the bounds that the service promises are among them.
/// (docs/SLO.md), so that how many calls keep one is counted and not estimated.
pub(crate) const DURATION_BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.5, 1.0, 2.5, 10.0];
/// The same of what is counted in messages.
const MESSAGE_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// Starts logging; the first call of a process wins.
///
/// Logs go to stderr, so that what a command prints can be piped.
pub fn init(log: &Log) {
    let targets: Targets = log.filter.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let registry = tracing_subscriber::registry().with(targets);
    let json = match log.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(true);
    // A second call in one process (tests) keeps the first subscriber.
    let _ = if json {
        let json = layer.json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(json.map_event_format(WithIds)).try_init()
    } else {
        registry.with(layer.compact().with_ansi(std::io::stderr().is_terminal())).try_init()
    };
}

/// How often samples are folded into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Keeps the samples of histograms from piling up where nobody reads the metrics. Runs for ever.
pub(crate) async fn upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        ticks.tick().await;
        metrics().run_upkeep();
    }
}

/// The process's metrics, in Prometheus' text form.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_messages".to_owned()), &MESSAGE_BUCKETS)
            })
            .expect("there are buckets")
            .install_recorder()
            .expect("no other recorder is installed in this process")
    })
}
