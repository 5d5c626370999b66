//! What a call pays that is not recorded.

use std::time::{Duration, Instant};

use allocation_counter::measure;
use clock::Clock;
use futures::FutureExt;
use http::HeaderMap;
use tonic::transport::Endpoint;
use traces::{Collector, Current, Identity, Incoming, Kind, Tracer};

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

#[tokio::test]
async fn a_call_that_chance_leaves_out_allocates_nothing() {
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let collector = Collector { channel, headers: vec![], timeout: Duration::from_secs(1), queue: 8 };
    let identity = Identity { service: "test".to_owned(), version: "0", attributes: vec![] };
    let (tracer, _exporter) = Tracer::new("test", &identity, Clock::system(), 1e-12, false, collector);
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
