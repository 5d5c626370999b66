//! Exemplars: for each bucket of a histogram of durations the newest call in it that a trace tells of.
//!
//! The exporter of metrics has none, so they are kept beside it and put into the text that it writes
//! ([`openmetrics`](crate::openmetrics)).

use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use traces::{Span, TraceContext};

use crate::telemetry::DURATION_BUCKETS;

static ALL: Mutex<Vec<Arc<Exemplars>>> = Mutex::new(vec![]);

/// Labels of a metric, and their values.
type Labels = Vec<(&'static str, &'static str)>;

/// The exemplars of one histogram.
pub(crate) struct Exemplars {
    name: &'static str,
    labels: Labels,
    /// One for each bucket, the last for what is above all bounds.
    newest: Mutex<[Option<Exemplar>; DURATION_BUCKETS.len() + 1]>,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exemplar {
    context: TraceContext,
    seconds: f64,
    /// When it ended, in seconds since 1970.
    at: f64,
}

/// The exemplars of the histogram with this name and these labels.
pub(crate) fn of(name: &'static str, labels: &[(&'static str, &'static str)]) -> Arc<Exemplars> {
    let mut all = lock(&ALL);
    if let Some(known) = all.iter().find(|known| known.name == name && known.labels == labels) {
        return Arc::clone(known);
    }
    let new = Arc::new(Exemplars { name, labels: labels.to_vec(), newest: Mutex::default() });
    all.push(Arc::clone(&new));
    new
}

/// All that has any, for a look at them.
pub(crate) fn all() -> Vec<Arc<Exemplars>> {
    lock(&ALL).iter().filter(|exemplars| lock(&exemplars.newest).iter().any(Option::is_some)).cloned().collect()
}

impl Exemplars {
    /// A call that is recorded has taken so long.
    pub fn note(&self, took: Duration, span: &Span) {
        let (seconds, at) = (took.as_secs_f64(), span.now() as f64 / 1e9);
        let bucket = DURATION_BUCKETS.partition_point(|bound| *bound < seconds);
        lock(&self.newest)[bucket] = Some(Exemplar { context: span.context(), seconds, at });
    }

    /// The exemplar of the bucket up to `bound` of a sample with these labels.
    pub fn find(&self, metric: &str, labels: &str, bound: f64) -> Option<Exemplar> {
        let has = |(name, value): &(&str, &str)| labels.split(',').any(|label| label == format!("{name}=\"{value}\""));
        if metric != self.name || !self.labels.iter().all(has) {
            return None;
        }
        let bucket = DURATION_BUCKETS.iter().position(|known| *known == bound).unwrap_or(DURATION_BUCKETS.len());
        lock(&self.newest)[bucket]
    }
}

impl Display for Exemplar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, seconds, at } = self;
        write!(f, "{{trace_id=\"{}\",span_id=\"{}\"}} {seconds} {at:.3}", context.trace_id(), context.span_id())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
