//! Traces: one from a send to the streams of its readers, on whatever replica; and nothing that a stranger or the collector does to
//! them harms a call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chassis::config::{Ratio, Traces};
use futures::StreamExt;
use protos::auth::v1::CreateWebhookRequest;
use protos::messaging::v1::stream_events_response::Event;
use protos::messaging::v1::{SendMessageRequest, StreamEventsRequest, StreamEventsResponse};
use test_harness::{Outcome, Person, ServiceName, World};
use testkit::{Collector, Manners, SeenSpan, eventually};
use tonic::{Code, Request, Streaming};

const SEND: &str = "nova.messaging.v1.MessagingService/SendMessage";
const SOON: Duration = Duration::from_secs(30);
/// Nobody knows a word of it but who writes and who reads.
const SECRET: &str = "xyzzy-plugh-only-for-bob";

fn recorded(collector: &Collector, ratio: f64) -> Traces {
    Traces {
        endpoint: collector.endpoint().to_owned(),
        sample_ratio: Ratio::new(ratio).expect("a ratio"),
        ..Traces::default()
    }
}

/// A caller's own place in a trace of the caller's.
fn parent(trace: u128) -> String {
    format!("00-{trace:032x}-{:016x}-01", 0x00f0_67aa_0ba9_02b7u64)
}

/// Sends with headers of one's own.
async fn send(sender: &Person, conversation: &str, headers: &[(&'static str, &str)]) -> Outcome<Duration> {
    let mut request = Request::new(SendMessageRequest {
        conversation_id: conversation.to_owned(),
        sender_id: sender.id.clone(),
        content: Some(SECRET.to_owned()),
        ..SendMessageRequest::default()
    });
    for (key, value) in headers {
        request.metadata_mut().append(*key, value.parse().expect("a header's value"));
    }
    let begun = Instant::now();
    sender.clients.messaging.clone().send_message(request).await?;
    Ok(begun.elapsed())
}

async fn stream(reader: &Person) -> Outcome<Streaming<StreamEventsResponse>> {
    let mut stream = reader.clients.messaging.clone().stream_events(StreamEventsRequest::default()).await?.into_inner();
    // The heartbeat that says that from now on everything is told.
    stream.next().await.expect("a stream begins")?;
    Ok(stream)
}

async fn told(stream: &mut Streaming<StreamEventsResponse>) -> Outcome {
    loop {
        let event = tokio::time::timeout(SOON, stream.next()).await.expect("in time").expect("it goes on")?;
        if matches!(event.event, Some(Event::MessageSent(_))) {
            return Ok(());
        }
    }
}

fn named<'s>(spans: &'s [SeenSpan], name: &str) -> Vec<&'s SeenSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// Every span but the first hangs on another one of the trace.
fn assert_is_one_tree(spans: &[SeenSpan], root: &str) {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "each span once");
    for span in spans {
        assert!(span.parent_id == root || ids.contains(span.parent_id.as_str()), "{span:#?} hangs on nothing");
        assert!(span.time.0 > 0 && span.time.0 <= span.time.1, "{span:#?}");
    }
}

#[tokio::test]
async fn one_trace_leads_from_a_send_to_its_readers_on_every_replica_and_to_who_hears_of_it_on_the_bus() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let there = world.with_messaging_replica().await?;
    let admin = world.administrator().await?;
    let hook = CreateWebhookRequest {
        url: "https://hooks.example.org/nova".to_owned(),
        event_types: vec!["nova.message.sent.v1".to_owned()],
        ..CreateWebhookRequest::default()
    };
    admin.clients.auth.clone().create_webhook(hook).await?;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let mut here = stream(&bob).await?;
    let mut far = stream(&there.seen_from_here(&bob)).await?;

    let (trace, root) = (format!("{:032x}", 0xabc), "00f067aa0ba902b7");
    send(&ada, &conversation, &[("traceparent", &parent(0xabc)), ("tracestate", "shop=1")]).await?;
    tokio::try_join!(told(&mut here), told(&mut far))?;

    let spans = collector
        .until("the whole trace", &trace, |spans| {
            let on_both = ["deliver event", "follow conversation_events"];
            let once = [SEND, "commit message", "publish nova.messaging.v1", "process nova.messaging.v1"];
            let is_whole = on_both.iter().all(|name| named(spans, name).len() == 2)
                && once.iter().all(|name| !named(spans, name).is_empty());
            is_whole.then(|| spans.to_vec())
        })
        .await;
    assert_is_one_tree(&spans, root);
    let one = |name: &str| match named(&spans, name)[..] {
        [span] => span,
        ref other => panic!("{name}: {other:#?}"),
    };
    let call = one(SEND);
    assert_eq!(
        (call.kind.as_str(), call.parent_id.as_str(), call.service.as_str()),
        ("Server", root, "messaging-service")
    );
    assert_eq!((call.state.as_str(), call.attributes["rpc.response.status_code"].as_str()), ("shop=1", "OK"));
    let commit = one("commit message");
    assert_eq!(commit.parent_id, call.span_id);
    let batch = one("send_messages_v3 nova_messaging");
    assert_eq!((&batch.parent_id, &batch.events), (&commit.span_id, &vec!["readers woken".to_owned()]));
    assert_eq!(batch.attributes["db.operation.batch.size"], "1");
    let published = one("publish nova.messaging.v1");
    assert_eq!((published.kind.as_str(), &published.parent_id), ("Producer", &call.span_id));
    let processed = one("process nova.messaging.v1");
    assert_eq!((processed.kind.as_str(), &processed.parent_id), ("Consumer", &call.span_id));
    assert_eq!((processed.service.as_str(), processed.is_error), ("auth-service", false));
    assert_eq!(processed.attributes["messaging.consumer.group.name"], "auth.webhooks");
    assert_eq!(processed.attributes["messaging.message.id"], published.attributes["messaging.message.id"]);
    // On the replica that has stored it, and on the other.
    for name in ["follow conversation_events", "deliver event"] {
        let replicas: BTreeSet<&str> = named(&spans, name).iter().map(|span| span.instance.as_str()).collect();
        assert_eq!(replicas.len(), 2, "{name}");
        assert!(replicas.contains(call.instance.as_str()), "{name}");
    }
    let streams: BTreeSet<&String> = named(&spans, "deliver event").iter().flat_map(|span| &span.links).collect();
    assert_eq!(streams.len(), 2, "each is linked to the call that its stream answers");
    Ok(())
}

#[tokio::test]
async fn a_call_between_services_is_in_the_trace_of_the_call_that_causes_it() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    bob.block(&ada).await?;
    bob.unblock(&ada).await?; // what messaging knows of the two is forgotten, so that it asks
    send(&ada, &conversation, &[("traceparent", &parent(0xca11))]).await?;
    let trace = format!("{:032x}", 0xca11);
    // It asks once more if the bus tells of the block meanwhile.
    let (send, client, server) = collector
        .until("both sides of the call", &trace, |spans| {
            let asked = named(spans, "nova.user.v1.UserService/CheckContact");
            let server = *asked.iter().find(|span| span.kind == "Server")?;
            let client = *asked.iter().find(|span| span.kind == "Client" && span.span_id == server.parent_id)?;
            let send = *named(spans, SEND).first()?;
            Some((send.clone(), client.clone(), server.clone()))
        })
        .await;
    assert_eq!((client.service.as_str(), server.service.as_str()), ("messaging-service", "user-service"));
    assert_eq!(client.parent_id, send.span_id);
    assert_eq!(client.attributes["rpc.response.status_code"], "OK");
    Ok(())
}

#[tokio::test]
async fn nothing_that_people_write_or_are_called_is_in_a_trace() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let group = ada.group_with(&[&bob], SECRET).await?.id;
    let mut reading = stream(&bob).await?;
    send(&ada, &group, &[("traceparent", &parent(0x5ec))]).await?;
    told(&mut reading).await?;
    collector
        .until("the delivery", &format!("{:032x}", 0x5ec), |spans| {
            (!named(spans, "deliver event").is_empty() && !named(spans, SEND).is_empty()).then_some(())
        })
        .await;
    let spans = collector.spans();
    assert!(
        spans.iter().any(|span| span.name.ends_with("/Register")),
        "what was said when they registered is among it"
    );
    let all = format!("{spans:?}");
    for person in [&ada, &bob] {
        for word in [&person.email, &person.username, &person.password, &person.tokens.access_token, &person.id] {
            assert!(!all.contains(word.as_str()), "{word} is in a span");
        }
    }
    assert!(!all.contains(SECRET), "the content is in a span");
    Ok(())
}

#[tokio::test]
async fn strangers_do_not_decide_what_is_recorded_and_services_do() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 0.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let mut reading = stream(&bob).await?;
    send(&ada, &conversation, &[("traceparent", &parent(1))]).await?;
    told(&mut reading).await?;
    // One of Nova's own services says so, and is believed; what comes after it shows that there is nothing before it.
    let token = world.service_token("user").await?;
    let mut request = Request::new(protos::auth::v1::GetUserRequest { user_id: ada.id.clone() });
    request.metadata_mut().insert("traceparent", parent(2).parse().expect("a header"));
    world.clients(&token).auth.get_user(request).await?;
    let theirs = format!("{:032x}", 2);
    collector.until("the service's call", &theirs, |spans| (!spans.is_empty()).then_some(())).await;
    let own: Vec<_> = collector.spans().into_iter().filter(|span| span.trace_id != theirs).collect();
    assert!(own.is_empty(), "{own:#?}");
    Ok(())
}

#[tokio::test]
async fn odd_headers_do_no_harm() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let long = "x=1,".repeat(500);
    let (good, none) = (parent(7), format!("00-{:032x}-{:016x}-01", 0, 1));
    let odd: [&[(&'static str, &str)]; 7] = [
        &[("traceparent", "")],
        &[("traceparent", "00-zz-zz-01")],
        &[("traceparent", &none)],
        &[("traceparent", &good), ("traceparent", &good)],
        &[("traceparent", &long)],
        &[("tracestate", "a=1")],
        &[("traceparent", &good), ("tracestate", &long)],
    ];
    for headers in odd {
        send(&ada, &conversation, headers).await?;
    }
    // Each is recorded, in a trace of its own where the caller's is none; what is too long is not passed on.
    let sends = eventually("all calls", SOON, async || {
        let spans = collector.spans();
        let sends: Vec<SeenSpan> = named(&spans, SEND).into_iter().cloned().collect();
        (sends.len() == odd.len()).then_some(sends)
    })
    .await;
    let mut traces: BTreeMap<&str, usize> = BTreeMap::new();
    for send in &sends {
        *traces.entry(send.trace_id.as_str()).or_default() += 1;
        assert_eq!(send.state, "");
    }
    assert_eq!(traces.len(), odd.len());
    assert!(traces.contains_key(format!("{:032x}", 7).as_str()) && !traces.contains_key("0".repeat(32).as_str()));
    Ok(())
}

#[tokio::test]
async fn a_collector_that_is_gone_slow_or_lying_harms_no_call() -> Outcome {
    let collector = Collector::start().await;
    let traces = Traces { queue: 4, timeout: Duration::from_millis(200), ..recorded(&collector, 1.0) };
    let world = World::own_traced(traces).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let mut reading = stream(&bob).await?;
    for (manners, outcome) in [
        (Manners::Hang, "dropped"),
        (Manners::Hang, "failed"),
        (Manners::Refuse(Code::Unavailable), "failed"),
        (Manners::Refuse(Code::Internal), "failed"),
        (Manners::Lie, "rejected"),
        (Manners::Take, "exported"),
    ] {
        collector.behave(manners);
        let (before, begun) = (counted(&world, outcome).await?, Instant::now());
        let mut slowest = Duration::ZERO;
        while counted(&world, outcome).await? <= before {
            assert!(begun.elapsed() < SOON, "{manners:?}: nothing is counted as {outcome}");
            slowest = slowest.max(send(&ada, &conversation, &[]).await?);
            told(&mut reading).await?;
        }
        // Nobody has waited for it: that would be the time-out, or the tries.
        assert!(slowest < Duration::from_secs(5), "{manners:?}: {slowest:?}");
    }
    collector.behave(Manners::Hang);
    send(&ada, &conversation, &[]).await?;
    drop(reading);
    let begun = Instant::now();
    world.restart().await?;
    assert!(begun.elapsed() < Duration::from_secs(40), "a stop does not wait for it: {:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_is_recorded_last_is_sent_before_a_process_ends() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    send(&ada, &conversation, &[("traceparent", &parent(0xe17d))]).await?;
    world.restart().await?;
    let spans = collector.trace(&format!("{:032x}", 0xe17d));
    assert!(!named(&spans, SEND).is_empty() && !named(&spans, "commit message").is_empty(), "{spans:#?}");
    Ok(())
}

#[tokio::test]
async fn the_metrics_of_a_call_lead_to_its_trace() -> Outcome {
    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    send(&ada, &conversation, &[("traceparent", &parent(0xe8e))]).await?;
    let metrics = metrics_of(&world).await?;
    assert!(metrics.ends_with("# EOF\n"));
    // Other tests of this process send too; whose exemplar it is tells the trace.
    let bucket = metrics.lines().find(|line| {
        line.starts_with("nova_rpc_duration_seconds_bucket{")
            && line.contains("method=\"SendMessage\"")
            && line.contains(" # {")
    });
    let (_, exemplar) = bucket.expect("an exemplar").split_once(" # ").expect("an exemplar");
    let id = exemplar.strip_prefix("{trace_id=\"").and_then(|rest| rest.get(..32)).expect("a trace");
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{exemplar}");
    let parts: Vec<&str> = exemplar.rsplit_once("} ").expect("a value").1.split(' ').collect();
    assert!(parts.len() == 2 && parts.iter().all(|part| part.parse::<f64>().is_ok_and(|n| n > 0.0)), "{exemplar}");
    Ok(())
}

#[tokio::test]
async fn calls_over_rest_and_server_sent_events_are_in_their_callers_trace() -> Outcome {
    use http_body_util::{BodyExt, Full};
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};

    let collector = Collector::start().await;
    let world = World::own_traced(recorded(&collector, 1.0)).await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let at = world.http(ServiceName::Messaging).await?;
    let request = |person: &Person, method: http::Method, path: &str, trace: u128, body: String| {
        http::Request::builder()
            .method(method)
            .uri(format!("{at}{path}"))
            .header("authorization", format!("Bearer {}", person.tokens.access_token))
            .header("content-type", "application/json")
            .header("traceparent", parent(trace))
            .body(Full::from(body))
            .expect("a request")
    };
    let listen = request(&bob, http::Method::GET, "/api/v1/events", 0x55e, String::new());
    let mut events = client.request(listen).await.expect("a stream").into_body();
    events.frame().await.expect("it begins").expect("a heartbeat");
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let body = format!("{{\"senderId\":\"{}\",\"content\":\"over REST\"}}", ada.id);
    let sent = client.request(request(&ada, http::Method::POST, &path, 0x4e57, body)).await.expect("an answer");
    assert_eq!(sent.status(), 200);
    collector
        .until("the send and its delivery", &format!("{:032x}", 0x4e57), |spans| {
            (!named(spans, SEND).is_empty() && !named(spans, "deliver event").is_empty()).then_some(())
        })
        .await;
    let of_stream = format!("{:032x}", 0x55e);
    assert_eq!(collector.trace(&of_stream), []);
    drop(events);
    collector
        .until("the stream", &of_stream, |spans| {
            let stream = "nova.messaging.v1.MessagingService/StreamEvents";
            named(spans, stream)
                .first()
                .map(|span| assert_eq!(span.attributes["rpc.response.status_code"], "CANCELLED"))
        })
        .await;
    Ok(())
}

/// How many of the messaging service's spans came to that.
async fn counted(world: &World, outcome: &str) -> Outcome<f64> {
    let metrics = metrics_of(world).await?;
    let is_it =
        |line: &&str| line.contains("service=\"messaging\"") && line.contains(&format!("outcome=\"{outcome}\""));
    let line = metrics.lines().filter(|line| line.starts_with("nova_trace_spans_total{")).find(is_it);
    Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("there is a counter"))
}

/// The messaging service's metrics, as OpenMetrics.
async fn metrics_of(world: &World) -> Outcome<String> {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let request = http::Request::get(world.http(ServiceName::Messaging).await? + "/metrics")
        .header("accept", "application/openmetrics-text;version=1.0.0")
        .body(Empty::new())
        .expect("a request");
    let answer = client.request(request).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    Ok(String::from_utf8(body.to_vec()).expect("UTF-8"))
}
