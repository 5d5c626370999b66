//! What a call pays that is not recorded.

use std::time::{Duration, Instant};

use allocation_counter::measure;
use clock::Clock;
use futures::FutureExt;
use http::HeaderMap;
use tonic::transport::Endpoint;
use traces::{Collector, Current, Exporter, Identity, Incoming, Kind, Tracer};

/// All that is done for a call on its way through the guard, a peer, a lane and a change.
fn call(tracer: &Tracer, headers: &HeaderMap) {
    let current = tracer.answer(Incoming::of(headers), false, || "a call".to_owned(), Instant::now());
    let work = async {
        let current = traces::current();
        assert!(current.child(|| "a peer".to_owned(), Kind::Client).is_none());
        let row = traces::current_context().filter(|context| context.is_sampled());
        assert!(tracer.follow(row, || "a reader".to_owned(), Kind::Internal, Instant::now()).is_none());
        traces::in_span(None, async {}).await;
    };
    traces::scope(current, work).now_or_never().expect("nothing is waited for");
}

fn strangers_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.insert("traceparent", parent.parse().expect("a header"));
    headers
}

#[test]
fn a_call_that_nobody_records_allocates_nothing() {
    let off = Tracer::default();
    for headers in [HeaderMap::new(), strangers_headers()] {
        call(&off, &headers); // what is made once per thread is made
        let cost = measure(|| call(&off, &headers));
        assert_eq!(cost.count_total, 0, "with {} headers", headers.len());
    }
}

/// A tracer of a service, whose collector is never there, that records so many of the calls that nobody has decided on.
fn tracer(ratio: f64) -> (Tracer, Exporter) {
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let collector = Collector { channel, headers: vec![], timeout: Duration::from_secs(1), queue: 8 };
    let identity = Identity { service: "test".to_owned(), version: "0", attributes: vec![] };
    Tracer::new("test", &identity, Clock::system(), ratio, false, collector)
}

#[tokio::test]
async fn a_call_that_chance_leaves_out_allocates_nothing() {
    let (tracer, _exporter) = tracer(1e-12);
    for headers in [HeaderMap::new(), strangers_headers()] {
        call(&tracer, &headers);
        let cost = measure(|| call(&tracer, &headers));
        assert_eq!(cost.count_total, 0, "with {} headers", headers.len());
    }
}

#[test]
fn what_is_not_recorded_here_is_passed_on_as_it_came() {
    let off = Tracer::default();
    let incoming = Incoming::of(&strangers_headers());
    let current: Current = off.answer(incoming.clone(), false, String::new, Instant::now());
    assert_eq!((current.context, current.span.is_none()), (incoming.parent, true));
}

#[tokio::test]
async fn what_the_first_service_decides_holds_for_those_that_it_calls() {
    for (ratio, others) in [(0.0, 1.0), (1.0, 0.0)] {
        let ((first, _exporter), (second, _other)) = (tracer(ratio), tracer(others));
        for headers in [HeaderMap::new(), strangers_headers()] {
            let here = first.answer(Incoming::of(&headers), false, || "a call".to_owned(), Instant::now());
            let context = here.context.expect("it is passed on");
            assert_eq!((here.span.is_some(), context.is_sampled()), (ratio > 0.0, ratio > 0.0));
            let mut passed_on = HeaderMap::new();
            passed_on.insert("traceparent", context.to_string().parse().expect("a header"));
            let there = second.answer(Incoming::of(&passed_on), true, || "a peer".to_owned(), Instant::now());
            assert_eq!(there.span.is_some(), ratio > 0.0, "with {} headers", headers.len());
            let context = there.context.expect("it is passed on again");
            assert_eq!(context.trace_id().to_string(), here.context.expect("it is").trace_id().to_string());
        }
    }
}
