//! Every failure is a problem document, whoever notices it.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::Fake;

#[tokio::test]
async fn each_code_has_its_status() {
    let nova = Fake::nova();
    for (code, status) in [
        (Code::InvalidArgument, 400),
        (Code::OutOfRange, 400),
        (Code::FailedPrecondition, 400),
        (Code::Unauthenticated, 401),
        (Code::PermissionDenied, 403),
        (Code::NotFound, 404),
        (Code::AlreadyExists, 409),
        (Code::Aborted, 409),
        (Code::ResourceExhausted, 429),
        (Code::Cancelled, 499),
        (Code::Internal, 500),
        (Code::Unknown, 500),
        (Code::DataLoss, 500),
        (Code::Unimplemented, 501),
        (Code::Unavailable, 503),
        (Code::DeadlineExceeded, 504),
    ] {
        let details = ErrorDetails::with_error_info("SOME_REASON", "user.nova", []);
        nova.refuses(Status::with_error_details(code, "a sentence", details));
        let answer = nova.get("/api/v1/users/me").await;
        let problem = answer.problem(status, "SOME_REASON");
        assert_eq!((&problem["title"], &problem["detail"]), (&json!("Some reason"), &json!("a sentence")), "{code:?}");
        assert_eq!(answer.header("www-authenticate"), if status == 401 { "Bearer" } else { "" });
        assert_eq!((answer.header("retry-after"), answer.header("cache-control")), ("", "no-store"));

        nova.refuses(Status::new(code, "without details"));
        nova.get("/api/v1/users/me").await.any_problem();
    }
}

#[tokio::test]
async fn details_survive() {
    let nova = Fake::nova();
    let mut details = ErrorDetails::new();
    let facts = HashMap::from([("current_version".to_owned(), "7".to_owned())]);
    details.set_error_info("VERSION_CONFLICT", "user.nova", facts);
    details.add_bad_request_violation("display_name", "must not be blank");
    details.set_retry_info(Some(Duration::from_millis(1001)));
    nova.refuses(Status::with_error_details(Code::Aborted, "changed meanwhile", details));
    let headers = [("x-request-id", "my-call.1")];
    let answer = nova.send(Method::GET, "/api/v1/users/me", &headers, "").await;
    assert_eq!(answer.header("retry-after"), "2", "whole seconds, rounded up");
    assert_eq!(
        answer.any_problem(),
        json!({
            "type": "urn:nova:error:VERSION_CONFLICT", "title": "Version conflict", "status": 409,
            "detail": "changed meanwhile", "reason": "VERSION_CONFLICT", "domain": "user.nova",
            "metadata": { "current_version": "7" },
            "violations": [{ "field": "display_name", "description": "must not be blank" }],
            "request_id": "my-call.1",
        })
    );
}

#[tokio::test]
async fn a_request_too_large_for_the_service_is_413_here_too() {
    let nova = Fake::nova();
    let details = ErrorDetails::with_error_info("MESSAGE_TOO_LARGE", "user.nova", []);
    nova.refuses(Status::with_error_details(Code::InvalidArgument, "too large", details));
    nova.get("/api/v1/users/me").await.problem(413, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn where_there_is_no_route_and_where_the_verb_is_wrong() {
    let nova = Fake::nova();
    for path in [
        "/",
        "/api",
        "/api/v1/users/",
        "/api/v2/users/me",
        "/api/v1/users//settings",
        "/nova.user.v1.UserService",
        "/%ff",
    ] {
        nova.get(path).await.problem(404, "ROUTE_NOT_FOUND");
    }
    for (method, path, allowed) in [
        (Method::POST, "/api/v1/users/me", "GET,HEAD,PATCH"),
        (Method::OPTIONS, "/api/v1/users/search", "GET,HEAD"),
        (Method::GET, "/api/v1/auth/login", "POST"),
        (Method::TRACE, "/api/v1/users/me/unread", "GET,HEAD"),
    ] {
        let answer = nova.send(method.clone(), path, &[], "").await;
        answer.problem(405, "METHOD_NOT_ALLOWED");
        let mut allow: Vec<&str> = answer.header("allow").split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    assert!(nova.seen().is_empty());
}

#[tokio::test]
async fn who_asks_in_grpc_for_what_is_not_there_is_told_in_grpc() {
    let nova = Fake::nova();
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc-web-text"] {
        let answer = nova.send(Method::POST, "/nova.no.v1.Service/Call", &[("content-type", kind)], "").await;
        let status = Status::from_header_map(&answer.headers).unwrap();
        assert_eq!((status.code(), answer.header("content-type")), (Code::Unimplemented, kind));
        assert_eq!(status.get_details_error_info().unwrap().reason, "UNIMPLEMENTED");
    }
}

/// Found by fuzzing: whatever began with `application/grpc` was repeated as the answer's content type.
#[tokio::test]
async fn where_there_is_no_rpc_none_of_the_callers_words_become_the_content_type() {
    let nova = Fake::nova();
    for kind in
        ["application/grpcx", "application/grpc+<script>", "application/grpc-web2", "text/html;application/grpc"]
    {
        nova.send(Method::POST, "/nowhere/At", &[("content-type", kind)], "").await.problem(404, "ROUTE_NOT_FOUND");
    }
    for (kind, told) in [
        ("application/grpc; charset=<b>", "application/grpc"),
        ("Application/gRPC-Web+proto", "application/grpc-web+proto"),
    ] {
        let answer = nova.send(Method::POST, "/nowhere/At", &[("content-type", kind)], "").await;
        assert_eq!((answer.header("content-type"), answer.header("grpc-status")), (told, "12"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_head_request_is_a_get_without_a_body() {
    let nova = Fake::nova();
    nova.replies(json!({ "settings": { "version": "4" } }));
    let answer = nova.send(Method::HEAD, "/api/v1/users/me/settings", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len(), answer.header("etag")), (200, 0, "\"4\""));
}

#[tokio::test]
async fn request_ids_tokens_traces_and_deadlines_go_along() {
    let nova = Fake::nova();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        ("authorization", "Bearer x"),
        ("x-request-id", "call-1"),
        ("traceparent", trace),
        ("grpc-timeout", "250m"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    let answer = nova.send(Method::GET, "/api/v1/users/me", &headers, "").await;
    assert_eq!(answer.header("x-request-id"), "call-1");
    let seen = nova.seen().remove(0);
    assert_eq!(seen.rpc, "nova.user.v1.UserService/GetUserProfile");
    for (name, value) in &headers[..4] {
        assert_eq!(seen.headers[*name], *value);
    }
    assert!(!seen.headers.contains_key("cookie") && !seen.headers.contains_key("x-forwarded-for"));

    for harmful in ["", "a b", "<script>", &"x".repeat(65)] {
        let answer = nova.send(Method::GET, "/api/v1/users/me", &[("x-request-id", harmful)], "").await;
        let (id, seen) = (answer.header("x-request-id").to_owned(), nova.seen().remove(0));
        assert_ne!(id, harmful);
        assert_eq!(seen.headers["x-request-id"], *id, "the service logs the same one");
    }
}
