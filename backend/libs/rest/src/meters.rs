//! What is measured of HTTP routes: what clients were answered, where the guard's own meters say what calls came to. A request
//! that is refused before it is a call – for its JSON, for one – counts here alone.

use std::sync::LazyLock;
use std::time::Instant;

use axum::response::Response;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

/// Classes of status codes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The meters of one verb of one route.
pub(crate) struct Meters {
    answers: [Counter; CLASSES.len()],
    /// None of a stream: when its answer begins says little.
    durations: Option<Histogram>,
}

impl Meters {
    /// Of a `route` as the protos spell it, which belongs to the gRPC service of that full name.
    pub fn of(service: &str, verb: &str, route: &str, is_stream: bool) -> Self {
        describe_counter!(
            "nova_http_requests_total",
            "HTTP requests that were answered, by route, verb and class of status"
        );
        describe_histogram!(
            "nova_http_request_duration_seconds",
            "How long answers to HTTP requests took, without streams"
        );
        let (service, verb, route) = (service.to_owned(), verb.to_owned(), route.to_owned());
        let answers = CLASSES.map(|class| {
            let (service, verb, route) = (service.clone(), verb.clone(), route.clone());
            counter!("nova_http_requests_total", "service" => service, "verb" => verb, "route" => route, "status" => class)
        });
        let durations = (!is_stream).then(
            || histogram!("nova_http_request_duration_seconds", "service" => service, "verb" => verb, "route" => route),
        );
        Self { answers, durations }
    }

    /// A request that came at `begun` is answered; a stream's answer begins.
    pub fn record(&self, begun: Instant, response: &Response) {
        if let Some(counter) = self.answers.get(usize::from(response.status().as_u16() / 100).wrapping_sub(1)) {
            counter.increment(1);
        }
        if let Some(durations) = &self.durations {
            durations.record(begun.elapsed());
        }
    }
}

/// Requests for what there is not: the paths are strangers' words, so they are no label.
pub(crate) static UNROUTED: LazyLock<Counter> = LazyLock::new(|| {
    describe_counter!("nova_http_unrouted_total", "HTTP requests for a path or verb that there is not");
    counter!("nova_http_unrouted_total")
});
