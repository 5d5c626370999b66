//! Server streams as WebSockets.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::fake::{Fake, call};
use crate::herd::{EVENTS, Herd, Socket, quiet};

async fn told(socket: &mut Socket) -> Message {
    let told = timeout(Duration::from_secs(100), socket.next()).await.expect("something comes");
    told.expect("there is more").expect("it is whole")
}

async fn json_of(socket: &mut Socket) -> Value {
    serde_json::from_str(told(socket).await.to_text().expect("a text frame")).expect("JSON")
}

/// The code and reason of the close, with which all is over.
async fn close(socket: &mut Socket) -> (u16, String) {
    let Message::Close(Some(close)) = told(socket).await else { panic!("a close frame comes next") };
    assert!(socket.next().await.is_none(), "nothing follows");
    (close.code.into(), close.reason.to_string())
}

fn refusal(code: Code, reason: &str) -> Status {
    Status::with_error_details(code, "a sentence", ErrorDetails::with_error_info(reason, "zoo.nova", []))
}

#[tokio::test]
async fn each_event_is_a_text_frame() {
    let mut herd = Herd::new();
    let (mut socket, _) = herd.socket(&format!("{EVENTS}?cursor=c0"), &[]).await;
    let asked = herd.asked().await;
    assert_eq!(asked.request, json!({ "herd": "h", "cursor": "c0" }));
    for cursor in ["c1", "c2"] {
        asked.source.event(quiet(cursor)).await;
        assert_eq!(json_of(&mut socket).await, json!({ "cursor": cursor, "eventNumber": "0", "quiet": {} }));
    }
    asked.source.end(Status::new(Code::Ok, "")).await;
    assert_eq!(close(&mut socket).await, (1000, String::new()));
}

#[tokio::test]
async fn a_browser_gives_its_token_as_a_subprotocol() {
    let mut herd = Herd::new();
    let (_socket, response) = herd.socket(EVENTS, &["nova.v1", "nova.bearer.a.b-c_d"]).await;
    assert_eq!(herd.asked().await.headers["authorization"], "Bearer a.b-c_d");
    assert_eq!(response.headers()["sec-websocket-protocol"], "nova.v1");
    assert!(!format!("{response:?}").contains("a.b-c_d"), "a token is never sent back");

    let (_socket, response) = herd.socket(EVENTS, &[]).await;
    assert!(!herd.asked().await.headers.contains_key("authorization"));
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
}

#[tokio::test]
async fn a_refusal_is_told_by_the_last_frame_and_the_code_of_the_close() {
    for (code, reason, status, close_code) in [
        (Code::Unauthenticated, "TOKEN_EXPIRED", 401, 4401),
        (Code::InvalidArgument, "CURSOR_INVALID", 400, 4400),
        (Code::NotFound, "HERD_NOT_FOUND", 404, 4404),
        (Code::ResourceExhausted, "TOO_MANY_STREAMS", 429, 4429),
        (Code::Internal, "INTERNAL", 500, 4500),
        (Code::Unavailable, "UNAVAILABLE", 503, 1001),
    ] {
        let herd = Herd::new();
        // Before the stream, and at its end.
        herd.refuses(refusal(code, reason));
        let (mut socket, _) = herd.socket(EVENTS, &[]).await;
        let problem = json_of(&mut socket).await["problem"].take();
        assert_eq!((&problem["status"], &problem["reason"]), (&json!(status), &json!(reason)));
        assert!(!problem["request_id"].as_str().unwrap().is_empty());
        assert_eq!(close(&mut socket).await, (close_code, reason.to_owned()));

        let mut herd = Herd::new();
        let (mut socket, _) = herd.socket(EVENTS, &[]).await;
        let source = herd.asked().await.source;
        source.event(quiet("c1")).await;
        json_of(&mut socket).await;
        source.end(refusal(code, reason)).await;
        assert_eq!(json_of(&mut socket).await["problem"]["domain"], "zoo.nova");
        assert_eq!(close(&mut socket).await, (close_code, reason.to_owned()));
    }
    let (mut socket, _) = Herd::new().socket(&format!("{EVENTS}?since=1"), &[]).await;
    assert_eq!(json_of(&mut socket).await["problem"]["violations"][0]["field"], "since");
    assert_eq!(close(&mut socket).await, (4400, "INVALID_ARGUMENT".to_owned()));
}

#[tokio::test]
async fn nothing_is_to_be_said_by_the_client() {
    for frame in [
        Message::text("hello"),
        Message::binary(vec![0_u8; 10]),
        Message::binary(vec![0_u8; 5000]),
        Message::text("x".repeat(1024 * 1024)),
    ] {
        let mut herd = Herd::new();
        let (mut socket, _) = herd.socket(EVENTS, &[]).await;
        let source = herd.asked().await.source;
        // Of a large one the server does not take all.
        let _ = timeout(Duration::from_millis(500), socket.send(frame)).await;
        source.is_let_go().await;
        let Message::Close(Some(close)) = told(&mut socket).await else { panic!("a close frame") };
        assert_eq!(u16::from(close.code), 1003);
    }
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_its_stream_let_go() {
    let mut herd = Herd::new();
    let (mut socket, _) = herd.socket(EVENTS, &[]).await;
    let source = herd.asked().await.source;
    socket.send(Message::Ping(vec![1, 2].into())).await.unwrap();
    assert_eq!(told(&mut socket).await, Message::Pong(vec![1, 2].into()));
    socket.close(None).await.unwrap();
    source.is_let_go().await;
    assert!(matches!(told(&mut socket).await, Message::Close(_)));

    let (socket, _) = herd.socket(EVENTS, &[]).await;
    let source = herd.asked().await.source;
    drop(socket);
    source.is_let_go().await;
}

/// Time stands still unless everybody waits.
#[tokio::test(start_paused = true)]
async fn a_client_is_pinged_and_given_up_when_it_is_silent() {
    let mut herd = Herd::new();
    let (mut socket, _) = herd.socket(EVENTS, &[]).await;
    let source = herd.asked().await.source;
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(told(&mut socket).await, Message::Ping(vec![].into()));
        assert_eq!(begun.elapsed().as_secs(), 20);
    }
    source.event(quiet("c1")).await;
    assert_eq!(json_of(&mut socket).await["cursor"], "c1", "who answers stays");

    let begun = Instant::now();
    source.is_let_go().await;
    let silent = begun.elapsed().as_secs();
    assert!((40..=60).contains(&silent), "nobody reads, so nobody answers: {silent} s");
}

#[tokio::test]
async fn what_is_no_handshake_is_a_problem_document() {
    let herd = Herd::new();
    let whole = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for missing in [0, 2, 3] {
        let mut request = Request::get(EVENTS);
        for (_, (name, value)) in whole.iter().enumerate().filter(|(place, _)| *place != missing) {
            request = request.header(*name, *value);
        }
        let answer = call(herd.app.clone(), request.body("".into()).unwrap()).await;
        assert_eq!(answer.refused_fields(), ["upgrade"]);
    }
    let zoo = Fake::zoo();
    zoo.send(Method::GET, "/zoo/k/animals", &whole, "").await.ok();
}
