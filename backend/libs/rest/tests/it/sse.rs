//! Server streams as Server-Sent Events.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::ServiceExt;

use crate::fake::{Answer, Fake, call};
use crate::herd::{EVENTS, Herd, Reader, app, frame, framed, quiet};

fn refusal(code: Code, reason: &str) -> Status {
    Status::with_error_details(code, "a sentence", ErrorDetails::with_error_info(reason, "zoo.nova", []))
}

async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

#[tokio::test]
async fn events_come_one_by_one_while_the_stream_is_open() {
    let mut herd = Herd::new();
    let (mut reader, source) = herd.open().await;
    source.event(quiet("c1")).await;
    assert_eq!(
        reader.text().await,
        "id: c1\nevent: quiet\ndata: {\"cursor\":\"c1\",\"eventNumber\":\"0\",\"quiet\":{}}\n\n"
    );
    source.event(json!({ "cursor": "c2", "eventNumber": 7, "animalLost": "one\ntwo\r\u{2028}" })).await;
    let text = reader.text().await;
    let data = text.strip_prefix("id: c2\nevent: animalLost\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    assert!(!data.contains(['\n', '\r']), "one line: {data}");
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data, json!({ "cursor": "c2", "eventNumber": "7", "animalLost": "one\ntwo\r\u{2028}" }));
    source.event(json!({ "keeper": "kim", "animalBorn": { "id": "a" } })).await;
    assert!(reader.text().await.starts_with("event: animalBorn\ndata: {"), "there is no going back to it");
    source.event(json!({ "cursor": "c4" })).await;
    assert!(reader.text().await.starts_with("id: c4\nevent: message\ndata: {"), "of a kind that is unknown here");
    source.event(json!({ "cursor": "c5\nevent: forged", "quiet": {} })).await;
    assert!(reader.text().await.starts_with("event: quiet\ndata: {\"cursor\":\"c5\\nevent: forged\""));
    source.end(Status::new(Code::Ok, "")).await;
    reader.is_over().await;
}

#[tokio::test]
async fn the_answer_says_that_it_is_a_stream() {
    let herd = Herd::new();
    let response = herd.get(EVENTS, &[("accept-encoding", "gzip, zstd"), ("x-request-id", "mine")]).await;
    let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!((header("content-type"), header("cache-control")), ("text/event-stream", "no-store"));
    assert_eq!((header("x-accel-buffering"), header("x-request-id")), ("no", "mine"));
    assert_eq!((header("content-encoding"), header("x-content-type-options")), ("", "nosniff"));
}

#[tokio::test]
async fn events_are_not_held_back_to_be_compressed() {
    let mut herd = Herd::new();
    let response = herd.get(EVENTS, &[("accept-encoding", "gzip, zstd")]).await;
    let (mut reader, asked) = (Reader::of(response), herd.asked().await);
    for cursor in ["c1", "c2"] {
        asked.source.event(quiet(cursor)).await;
        assert!(reader.text().await.starts_with(&format!("id: {cursor}\n")));
    }
}

#[tokio::test]
async fn a_message_with_neither_cursor_nor_kinds_is_an_event_too() {
    let zoo = Fake::zoo();
    zoo.replies(json!({ "id": "a", "version": "3" }));
    let answer = zoo.get("/zoo/watch?limit=2").await;
    assert_eq!((answer.header("content-type"), answer.header("etag")), ("text/event-stream", ""));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.starts_with("event: message\ndata: {\"id\":\"a\",") && text.ends_with("}\n\n"), "{text}");
    assert_eq!(zoo.request(), json!({ "limit": 2 }));
    let nova = Fake::nova();
    for path in ["/api/v1/events", "/api/v1/ws"] {
        nova.get(&format!("{path}?cursor=c&conversationIds=x&conversation_ids=y")).await;
        assert_eq!(nova.request(), json!({ "cursor": "c", "conversation_ids": ["x", "y"] }), "{path}");
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_by_get_alone() {
    let zoo = Fake::zoo();
    zoo.json(Method::POST, "/zoo/herds/h/follow", json!({})).await.problem(404, "ROUTE_NOT_FOUND");
    let herd = Herd::new();
    let request = Request::head(EVENTS).body(Body::empty()).unwrap();
    let head = call(herd.app.clone(), request).await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, "text/event-stream"));
}

#[tokio::test]
async fn a_stream_that_is_refused_is_a_problem_document() {
    let mut herd = Herd::new();
    let unknown = answer(herd.get(&format!("{EVENTS}?since=1"), &[]).await).await;
    assert_eq!(unknown.refused_fields(), ["since"]);

    // By its end, before there was a message.
    let (mut reader, source) = herd.open().await;
    source.end(refusal(Code::OutOfRange, "CURSOR_EXPIRED")).await;
    answer(reader.answer().await).await.problem(400, "CURSOR_EXPIRED");

    // At once.
    herd.refuses(refusal(Code::NotFound, "HERD_NOT_FOUND"));
    let refused = answer(herd.get(EVENTS, &[("x-request-id", "mine")]).await).await;
    assert_eq!(refused.problem(404, "HERD_NOT_FOUND")["request_id"], "mine");
    herd.refuses(refusal(Code::Unauthenticated, "TOKEN_EXPIRED"));
    let refused = answer(herd.get(EVENTS, &[]).await).await;
    refused.problem(401, "TOKEN_EXPIRED");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_stream_that_the_server_ends_ends_with_the_problem() {
    let mut herd = Herd::new();
    let (mut reader, source) = herd.open().await;
    source.event(quiet("c1")).await;
    reader.text().await;
    source.end(refusal(Code::Unauthenticated, "TOKEN_REVOKED")).await;
    let problem = reader.problem().await;
    assert_eq!((&problem["status"], &problem["reason"]), (&json!(401), &json!("TOKEN_REVOKED")));
    assert_eq!((&problem["request_id"], &problem["domain"]), (&json!("mine"), &json!("zoo.nova")));
}

#[tokio::test]
async fn what_was_seen_last_wins_over_the_query() {
    let mut herd = Herd::new();
    for (query, header, asked) in [
        ("", None, json!({ "herd": "h" })),
        ("?cursor=old", None, json!({ "herd": "h", "cursor": "old" })),
        ("?cursor=old", Some("new"), json!({ "herd": "h", "cursor": "new" })),
        ("", Some("naïve"), json!({ "herd": "h", "cursor": "naïve" })),
        ("?cursor=old", Some(""), json!({ "herd": "h", "cursor": "old" })),
        ("?animalIds=a&animal_ids=b", Some("new"), json!({ "herd": "h", "cursor": "new", "animal_ids": ["a", "b"] })),
    ] {
        let mut request = Request::get(format!("{EVENTS}{query}"));
        if let Some(header) = header {
            request = request.header("last-event-id", header.as_bytes());
        }
        let _response = herd.app.clone().oneshot(request.body(Body::empty()).unwrap()).await;
        assert_eq!(herd.asked().await.request, asked, "{query} {header:?}");
    }
    let request = Request::get(EVENTS).header("last-event-id", &b"\xff"[..]).body(Body::empty()).unwrap();
    assert_eq!(call(herd.app.clone(), request).await.refused_fields(), ["last-event-id"]);
}

#[tokio::test]
async fn a_reader_that_leaves_takes_the_stream_along() {
    let mut herd = Herd::new();
    let (mut reader, source) = herd.open().await;
    source.event(quiet("c1")).await;
    reader.text().await;
    drop(reader);
    source.is_let_go().await;
}

#[tokio::test]
async fn what_is_no_stream_of_messages_ends_as_a_fault() {
    let whole = frame(quiet("c1"));
    for (bytes, status) in [
        (vec![1, 0, 0, 0, 0], None),
        (vec![0, 0xff, 0xff, 0xff, 0xff], None),
        (whole[..whole.len() - 1].to_vec(), Some(Status::new(Code::Ok, ""))),
        (framed(b"\xff\xff\xff"), None),
        (vec![], None),
    ] {
        let mut herd = Herd::new();
        let (mut reader, source) = herd.open().await;
        source.bytes(whole.clone()).await;
        reader.text().await;
        source.bytes(bytes.clone()).await;
        match status {
            Some(status) => source.end(status).await,
            None if bytes.is_empty() => drop(source),
            None => {}
        }
        let problem = reader.problem().await;
        assert_eq!((&problem["status"], &problem["reason"]), (&json!(500), &json!("INTERNAL")), "{bytes:?}");
    }
}

/// A service that always has one more event, and counts those that were taken.
fn endless(taken: Arc<AtomicUsize>) -> Router {
    let answer = move || {
        let taken = Arc::clone(&taken);
        let events = futures::stream::repeat_with(move || {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Frame::data(Bytes::from(frame(json!({ "animalLost": "x".repeat(1000) })))))
        });
        async move { Response::new(Body::new(StreamBody::new(events))) }
    };
    app(Router::new().fallback(answer))
}

#[tokio::test]
async fn nothing_is_taken_from_the_service_before_the_reader_takes_it() {
    let taken = Arc::new(AtomicUsize::new(0));
    let request = Request::get(EVENTS).body(Body::empty()).unwrap();
    let mut reader = Reader::of(endless(Arc::clone(&taken)).oneshot(request).await.unwrap());
    for _ in 0..10 {
        reader.text().await;
    }
    assert_eq!(taken.load(Ordering::SeqCst), 10);
}

/// Time stands still unless everybody waits, so this ends when the server gives up on the client.
#[tokio::test(start_paused = true)]
async fn a_websocket_whose_client_reads_nothing_takes_little_and_is_given_up() {
    let taken = Arc::new(AtomicUsize::new(0));
    let (socket, _) = crate::herd::socket(endless(Arc::clone(&taken)), EVENTS, &[]).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let stuck = taken.load(Ordering::SeqCst);
    assert!((1..20).contains(&stuck), "{stuck} events of 1 kB for a pipe of 4 kB");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((taken.load(Ordering::SeqCst), Arc::strong_count(&taken)), (stuck, 1), "it is let go");
    drop(socket);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_are_the_same_however_their_bytes_are_cut(
        lost in proptest::collection::vec(".{0,40}", 0..8),
        cuts in proptest::collection::vec(1_usize..60, 1..40),
    ) {
        let events: Vec<Value> = lost.iter().map(|name| json!({ "animalLost": name, "eventNumber": "0", "cursor": "c" })).collect();
        let bytes: Vec<u8> = events.iter().flat_map(|event| frame(event.clone())).collect();
        let read = Runtime::new().unwrap().block_on(async {
            let mut herd = Herd::new();
            let (mut reader, source) = herd.open().await;
            let send = async move {
                let (mut rest, mut cuts) = (bytes.as_slice(), cuts.iter().cycle());
                while !rest.is_empty() {
                    let (piece, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                    source.bytes(piece.to_vec()).await;
                    rest = more;
                }
                source.end(Status::new(Code::Ok, "")).await;
            };
            let read = async {
                let mut read = vec![];
                for _ in 0..events.len() {
                    let text = reader.text().await;
                    let data = text.split_once("data: ").unwrap().1;
                    read.push(serde_json::from_str::<Value>(data).unwrap());
                }
                reader.is_over().await;
                read
            };
            tokio::join!(send, read).1
        });
        prop_assert_eq!(read, events);
    }

    #[test]
    fn whatever_bytes_a_stream_is_made_of_it_ends(bytes in proptest::collection::vec(any::<u8>(), 0..64), is_framed in any::<bool>()) {
        let bytes = if is_framed { framed(&bytes) } else { bytes };
        let text = Runtime::new().unwrap().block_on(async {
            let mut herd = Herd::new();
            let (mut reader, source) = herd.open().await;
            source.bytes(bytes).await;
            drop(source);
            answer(reader.answer().await).await
        });
        if text.status.as_u16() == 200 {
            let text = String::from_utf8(text.body.to_vec()).unwrap();
            prop_assert!(text.rsplit_once("event: ").unwrap().1.starts_with("problem\n"), "there was no status: {text}");
        } else {
            text.problem(500, "INTERNAL");
        }
    }
}
