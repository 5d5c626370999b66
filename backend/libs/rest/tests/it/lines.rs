//! Server streams as JSON lines, and records that are objects.

use http::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::Fake;
use crate::herd::{EVENTS, Herd, Reader, quiet};

const LINES: (&str, &str) = ("accept", "application/x-ndjson");
const EXPORT: &str = "/api/v1/auth/account/export";

#[tokio::test]
async fn lines_come_one_by_one_and_the_last_says_why_the_server_ends_them() {
    let mut herd = Herd::new();
    let response = herd.get(EVENTS, &[LINES, ("x-request-id", "mine")]).await;
    let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((header("content-type"), header("cache-control")), ("application/x-ndjson", "no-store"));
    assert_eq!(header("content-disposition"), "attachment; filename=\"events.ndjson\"");
    assert_eq!((header("x-request-id"), header("x-content-type-options")), ("mine", "nosniff"));
    let (mut reader, source) = (Reader::of(response), herd.asked().await.source);
    source.event(quiet("c1")).await;
    assert_eq!(reader.text().await, "{\"cursor\":\"c1\",\"eventNumber\":\"0\",\"quiet\":{}}\n");
    source.event(json!({ "animalLost": "one\ntwo" })).await;
    let line = reader.text().await;
    assert_eq!(line.matches('\n').count(), 1, "{line:?}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["animalLost"], "one\ntwo");
    let details = ErrorDetails::with_error_info("TOKEN_EXPIRED", "zoo.nova", []);
    source.end(Status::with_error_details(Code::Unauthenticated, "a sentence", details)).await;
    let last: Value = serde_json::from_str(&reader.text().await).unwrap();
    assert_eq!((&last["problem"]["reason"], &last["problem"]["request_id"]), (&json!("TOKEN_EXPIRED"), &json!("mine")));
    reader.is_over().await;
}

#[tokio::test]
async fn a_record_is_an_object_in_every_form() {
    let nova = Fake::nova();
    let record = "{\"name\":\"a\\nb\",\"count\":3}";
    nova.replies(json!({ "service": "user", "kind": "profile", "record": record }));
    let expected = json!({ "service": "user", "kind": "profile", "record": { "name": "a\nb", "count": 3 } });
    let answer = nova.send(Method::GET, &format!("{EXPORT}?userId=me"), &[LINES], "").await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"export.ndjson\"");
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert_eq!((text.matches('\n').count(), serde_json::from_str::<Value>(text).unwrap()), (1, expected.clone()));
    assert_eq!(nova.request(), json!({ "user_id": "me" }));
    let answer = nova.get(EXPORT).await;
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert_eq!((answer.header("content-type"), answer.header("content-disposition")), ("text/event-stream", ""));
    let data = text.strip_prefix("event: message\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), expected);
}

#[tokio::test]
async fn a_record_that_is_no_json_is_the_services_fault() {
    let nova = Fake::nova();
    nova.replies(json!({ "service": "user", "kind": "profile", "record": "{" }));
    let answer = nova.send(Method::GET, EXPORT, &[LINES], "").await;
    let line: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(line["problem"]["status"], 500, "{line}");
}
