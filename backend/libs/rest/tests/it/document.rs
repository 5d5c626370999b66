//! The OpenAPI document and the page over it.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use rest::Described;
use serde_json::{Value, json};

use crate::fake::{Answer, call};

fn all() -> Vec<Described> {
    ["nova.auth.v1.AuthService", "nova.user.v1.UserService", "nova.messaging.v1.MessagingService"]
        .map(|service| Described { service: service.to_owned(), public: vec!["Register".to_owned()] })
        .to_vec()
}

async fn get(path: &str) -> Answer {
    let app = rest::gate(rest::docs(&all()).unwrap());
    call(app, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn document() -> Value {
    get("/openapi.json").await.ok_json()
}

impl Answer {
    fn ok_json(&self) -> Value {
        assert_eq!((self.status.as_u16(), self.header("content-type")), (200, "application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, verbs)| {
            verbs.as_object().unwrap().iter().map(move |(verb, operation)| (format!("{verb} {path}"), operation))
        })
        .collect()
}

#[tokio::test]
async fn the_document_describes_every_operation() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert_eq!(operations.len(), 68);
    let mut ids = BTreeSet::new();
    for (name, operation) in &operations {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}: its id is another's too");
        for text in ["summary", "description"] {
            assert!(operation[text].as_str().is_some_and(|t| !t.is_empty()), "{name} has no {text}");
        }
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(parameter["description"].as_str().is_some_and(|t| !t.is_empty()), "{name}: {parameter}");
            let (place, named) = (&parameter["in"], parameter["name"].as_str().unwrap());
            assert_eq!(*place == "path", name.contains(&format!("{{{named}}}")), "{name}: {named}");
        }
        assert!(operation["responses"]["200"].is_object() && operation["responses"]["default"].is_object(), "{name}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = document().await;
    let mut waiting = vec![&document];
    let mut seen = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    seen += 1;
                    assert!(
                        document.pointer(reference.trim_start_matches('#')).is_some_and(Value::is_object),
                        "{reference}"
                    );
                }
                waiting.extend(members.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    assert!(seen > 100);
}

#[tokio::test]
async fn types_bounds_and_conditions_are_told() {
    let document = document().await;
    let update = &document["paths"]["/api/v1/users/{user_id}"]["patch"];
    let body = &update["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["additionalProperties"], false);
    assert!(body["properties"]["userId"].is_null(), "it stands in the path");
    assert_eq!(body["properties"]["displayName"]["maxLength"], 64);
    assert_eq!(body["properties"]["expectedVersion"]["type"], "string");
    let headers = |operation: &Value| -> Vec<String> {
        let parameters = operation["parameters"].as_array().unwrap().iter();
        parameters.filter(|p| p["in"] == "header").map(|p| p["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(headers(update), ["If-Match"]);
    let read = &document["paths"]["/api/v1/users/{user_id}"]["get"];
    assert_eq!(headers(read), ["If-None-Match"]);
    assert!(read["responses"]["304"].is_object());
    let send = &document["paths"]["/api/v1/conversations/{conversation_id}/messages"]["post"];
    assert_eq!(headers(send), ["Idempotency-Key"]);
    assert_eq!(document["paths"]["/api/v1/auth/register"]["post"]["security"], json!([{}, { "bearer": [] }]));
    assert_eq!(read["security"], json!([{ "bearer": [] }]));
    let offset = |p: &&Value| p["name"] == "offset";
    let followers = &document["paths"]["/api/v1/users/{user_id}/followers"]["get"]["parameters"];
    let offset = followers.as_array().unwrap().iter().find(offset).unwrap();
    assert_eq!((&offset["schema"]["minimum"], &offset["schema"]["maximum"]), (&json!(0), &json!(10_000)));
    let settings = &document["components"]["schemas"]["user.UserSettings"]["properties"];
    assert_eq!(settings["privacyLevel"]["enum"], json!(["PUBLIC", "FOLLOWERS", "PRIVATE"]));
    assert_eq!(settings["version"]["format"], "int64");
    assert_eq!(settings["createdAt"]["format"], "date-time");
}

#[tokio::test]
async fn a_stream_is_described_by_its_events() {
    let document = document().await;
    for (path, id) in [("/api/v1/events", "StreamEvents"), ("/api/v1/ws", "StreamEvents_2")] {
        let operation = &document["paths"][path]["get"];
        assert_eq!(operation["operationId"], format!("MessagingService_{id}"));
        let content = operation["responses"]["200"]["content"].as_object().unwrap();
        assert_eq!(content.keys().collect::<Vec<_>>(), ["application/x-ndjson", "text/event-stream"]);
        let schema = "#/components/schemas/messaging.StreamEventsResponse";
        assert_eq!(content["text/event-stream"]["x-data-schema"]["$ref"], schema);
        assert!(operation["description"].as_str().unwrap().contains("WebSocket: each text frame"));
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let named: Vec<_> = parameters.map(|p| (p["in"].as_str().unwrap(), p["name"].as_str().unwrap())).collect();
        assert_eq!(named, [("query", "cursor"), ("query", "conversationIds"), ("header", "Last-Event-ID")]);
    }
    let exported = &document["components"]["schemas"]["auth.ExportAccountResponse"]["properties"];
    assert_eq!((&exported["record"]["type"], &exported["kind"]["type"]), (&json!("object"), &json!("string")));
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    for (path, kind) in [
        ("/explorer", "text/html; charset=utf-8"),
        ("/explorer/explorer.js", "text/javascript; charset=utf-8"),
        ("/explorer/explorer.css", "text/css; charset=utf-8"),
    ] {
        let answer = get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind));
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        for foreign in ["http://", "https://", "innerHTML", "eval("] {
            assert!(!text.contains(foreign), "{path} has {foreign}");
        }
    }
}
