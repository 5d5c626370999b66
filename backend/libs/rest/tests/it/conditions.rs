//! ETag, If-Match, If-None-Match, Idempotency-Key.

use http::{Method, StatusCode};
use serde_json::json;

use crate::fake::Fake;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_record_whose_version_says_all_has_it_as_its_etag() {
    let nova = Fake::nova();
    nova.replies(json!({ "settings": { "version": "4" } }));
    let answer = nova.get("/api/v1/users/me/settings").await;
    answer.ok();
    assert_eq!(answer.header("etag"), "\"4\"");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    nova.replies(json!({ "message": { "version": "1" } }));
    assert_eq!(nova.get("/api/v1/messages/m").await.header("etag"), "\"1\"");
}

#[tokio::test]
async fn where_more_is_shown_than_the_version_counts_the_etag_knows() {
    let nova = Fake::nova();
    let profile = |followers: &str| json!({ "profile": { "version": "4", "followerCount": followers } });
    nova.replies(profile("1"));
    let first = nova.get("/api/v1/users/me").await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with("\"4-") && etag.len() == 20, "{etag}");

    let known = nova.send(Method::GET, "/api/v1/users/me", &[("if-none-match", &etag)], "").await;
    assert_eq!((known.status, known.body.len(), known.header("etag")), (StatusCode::NOT_MODIFIED, 0, &*etag));
    nova.replies(profile("2"));
    let changed = nova.send(Method::GET, "/api/v1/users/me", &[("if-none-match", &etag)], "").await;
    assert_eq!(changed.ok()["profile"]["followerCount"], "2", "the same version, another answer");

    nova.send(Method::PATCH, "/api/v1/users/me", &[JSON, ("if-match", &etag)], "{}").await.ok();
    assert_eq!(nova.seen().last().unwrap().request["expected_version"], "4");
}

#[tokio::test]
async fn not_modified_follows_the_specification() {
    let nova = Fake::nova();
    nova.replies(json!({ "settings": { "version": "4" } }));
    let path = "/api/v1/users/me/settings";
    for known in ["\"4\"", "W/\"4\"", "*", "\"1\", \"4\"", "\"1\" , W/\"4\""] {
        let answer = nova.send(Method::GET, path, &[("if-none-match", known)], "").await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
    }
    for other in ["\"5\"", "4", "", "\"44\""] {
        nova.send(Method::GET, path, &[("if-none-match", other)], "").await.ok();
    }
    let changed = nova.send(Method::PATCH, path, &[JSON, ("if-none-match", "\"4\"")], "{}").await;
    assert_eq!(changed.header("etag"), "\"4\"");
    changed.ok();
}

#[tokio::test]
async fn lists_and_records_without_a_version_have_no_etag() {
    let nova = Fake::nova();
    let answer = nova.get("/api/v1/users/search?query=a").await;
    answer.ok();
    assert_eq!((answer.header("etag"), answer.header("cache-control")), ("", "no-store"));
    assert_eq!(nova.get("/api/v1/users/me").await.header("etag"), "", "no record, no version");
}

#[tokio::test]
async fn if_match_is_another_spelling_of_expected_version() {
    let zoo = Fake::zoo();
    let change = async |headers: &[(&str, &str)], body: &str| {
        let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
        zoo.send(Method::PATCH, "/zoo/animals/7", &headers, body.to_owned()).await
    };
    for (headers, body, version) in [
        (&[("if-match", "\"3\"")][..], "{}", Some("3")),
        (&[("if-match", "\"3\"")], r#"{"expectedVersion":"3"}"#, Some("3")),
        (&[("if-match", "\"3-00ff00ff00ff00ff\"")], "{}", Some("3")),
        (&[("if-match", "*")], "{}", None),
        (&[("if-match", "*")], r#"{"expectedVersion":"3"}"#, Some("3")),
        (&[], "{}", None),
    ] {
        change(headers, body).await.ok();
        assert_eq!(zoo.request().get("expected_version").and_then(|v| v.as_str()), version, "{headers:?} {body}");
    }
    let conflict = change(&[("if-match", "\"3\"")], r#"{"expectedVersion":"4"}"#).await;
    assert_eq!(conflict.refused_fields(), ["expected_version"]);
    for bad in
        ["3", "W/\"3\"", "\"x\"", "\"0\"", "\"-1\"", "\"3\", \"4\"", "\"99999999999999999999\"", "", "\"", "\"\""]
    {
        assert_eq!(change(&[("if-match", bad)], "{}").await.refused_fields(), ["if-match"], "{bad}");
    }
    let twice = change(&[("if-match", "\"3\""), ("if-match", "\"3\"")], "{}").await;
    assert_eq!(twice.refused_fields(), ["if-match"]);
}

#[tokio::test]
async fn if_match_is_refused_where_no_version_is_checked() {
    let zoo = Fake::zoo();
    let answer = zoo.send(Method::DELETE, "/zoo/animals/7", &[("if-match", "\"3\"")], "").await;
    assert_eq!(answer.refused_fields(), ["if-match"]);
    zoo.send(Method::DELETE, "/zoo/animals/7", &[("if-match", "*")], "").await.ok();
}

#[tokio::test]
async fn idempotency_key_is_another_spelling_of_the_client_id() {
    let nova = Fake::nova();
    let send = async |headers: &[(&str, &str)], body: &str| {
        let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
        nova.send(Method::POST, "/api/v1/conversations/c/messages", &headers, body.to_owned()).await
    };
    for (headers, body) in [
        (&[("idempotency-key", "k-1")][..], "{}"),
        (&[("idempotency-key", "\"k-1\"")], "{}"),
        (&[("idempotency-key", "k-1")], r#"{"clientMessageId":"k-1"}"#),
        (&[], r#"{"clientMessageId":"k-1"}"#),
    ] {
        send(headers, body).await.ok();
        assert_eq!(nova.request()["client_message_id"], "k-1");
    }
    let conflict = send(&[("idempotency-key", "k-1")], r#"{"clientMessageId":"k-2"}"#).await;
    assert_eq!(conflict.refused_fields(), ["client_message_id"]);
    for bad in ["", "\"\"", "\u{e9}"] {
        assert_eq!(send(&[("idempotency-key", bad)], "{}").await.refused_fields(), ["idempotency-key"], "{bad}");
    }

    let open = [JSON, ("idempotency-key", "k-2")];
    nova.send(Method::POST, "/api/v1/conversations", &open, "{}").await.ok();
    assert_eq!(nova.request()["client_conversation_id"], "k-2");
    nova.send(Method::POST, "/api/v1/auth/logout", &open, "{}").await.ok(); // not meant for it, and no harm
}
