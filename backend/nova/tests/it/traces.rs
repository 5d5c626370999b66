//! Traces of all services in one process.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::{Collector, SeenSpan, eventually};

use crate::process::{Home, Nova};
use crate::register;

const REGISTER: &str = "nova.auth.v1.AuthService/Register";

#[tokio::test]
async fn the_usual_variables_are_enough_for_a_registration_to_be_one_trace_of_two_services() {
    let collector = Collector::start().await;
    let home = Home::with(
        "traces",
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint().to_owned()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of%20a%20test".to_owned()),
            ("OTEL_TRACES_SAMPLER_ARG", "1".to_owned()),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test".to_owned()),
        ],
    );
    let mut nova = Nova::start(&home).await;
    register(&nova.channel(), "traced").await;
    // The call that tells the user service, and the event that tells it as well.
    let wanted = [
        ("auth-service", REGISTER, "Server"),
        ("auth-service", "publish nova.auth.v1", "Producer"),
        ("user-service", "process nova.auth.v1", "Consumer"),
    ];
    let spans = eventually("the whole trace", Duration::from_secs(30), async || {
        let spans = collector.spans();
        let call = spans.iter().find(|span| span.name == REGISTER)?;
        let trace: Vec<SeenSpan> = spans.iter().filter(|span| span.trace_id == call.trace_id).cloned().collect();
        let has = |(service, name, kind): &(&str, &str, &str)| {
            trace.iter().any(|span| span.service == *service && span.name == *name && span.kind == *kind)
        };
        // A call between the two has two sides.
        let mut clients = trace.iter().filter(|span| span.kind == "Client").map(|span| &span.span_id).peekable();
        let is_called = clients.peek().is_some()
            && clients.all(|client| trace.iter().any(|span| span.kind == "Server" && span.parent_id == *client));
        (wanted.iter().all(has) && is_called).then_some(trace)
    })
    .await;
    let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(services, BTreeSet::from(["auth-service", "user-service"]));
    assert_eq!(collector.requests().1["authorization"], "Bearer of a test");
    // What services ask each other all the time is nobody's trace.
    let all = collector.spans();
    assert!(all.iter().all(|span| !span.name.ends_with("/GetTokenState")), "{all:#?}");
    assert_eq!(nova.terminate().await, Some(0));
}
