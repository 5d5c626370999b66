//! The frames of a stream that REST reads from gRPC: each message becomes one event, in order, until the first that is broken.

#![no_main]

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use nova_fuzz::block_on;
use prost::Message;
use protos::messaging::v1::StreamEventsResponse;
use tower::{ServiceExt, service_fn};

const SERVICE: &str = "nova.messaging.v1.MessagingService";
/// What a message may have.
const MOST_BYTES: usize = 4 * 1024 * 1024;

#[derive(Arbitrary, Clone, Debug)]
enum Piece {
    /// A proper event, so that chance need not find one.
    Event { cursor: String, sequence: i64 },
    /// A proper frame around anything.
    Framed(Vec<u8>),
    /// Anything.
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Clone, Debug)]
struct Input {
    pieces: Vec<Piece>,
    /// Where what is sent is cut into chunks.
    cuts: Vec<u16>,
    /// The status in the trailers; there are none without.
    status: Option<u8>,
}

static TOLD: LazyLock<Arc<Mutex<Option<Input>>>> = LazyLock::new(Arc::default);
static APP: LazyLock<Router> = LazyLock::new(|| {
    let told = Arc::clone(&TOLD);
    let grpc = Router::new().fallback_service(service_fn(move |_: Request<Body>| {
        let input = told.lock().unwrap_or_else(PoisonError::into_inner).take().expect("one call an input");
        async move { Ok::<_, Infallible>(answer(&input)) }
    }));
    rest::gate(rest::routes(SERVICE, grpc, rest::Limits::default()).expect("the rules are valid"))
});

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("inputs are small");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

fn sent(input: &Input) -> Vec<u8> {
    let bytes = |piece: &Piece| match piece {
        Piece::Event { cursor, sequence } => {
            use protos::messaging::v1::{MessagesRead, stream_events_response::Event};
            let read = MessagesRead { last_read_sequence: *sequence, ..Default::default() };
            let event = Some(Event::MessagesRead(read));
            framed(&StreamEventsResponse { cursor: cursor.clone(), event, ..Default::default() }.encode_to_vec())
        }
        Piece::Framed(message) => framed(message),
        Piece::Bytes(bytes) => bytes.clone(),
    };
    input.pieces.iter().flat_map(bytes).collect()
}

fn answer(input: &Input) -> Response<Body> {
    let mut rest = Bytes::from(sent(input));
    let mut frames = vec![];
    for cut in &input.cuts {
        let at = usize::from(*cut).min(rest.len());
        frames.push(Ok::<_, Infallible>(Frame::data(rest.split_to(at))));
    }
    frames.push(Ok(Frame::data(rest)));
    if let Some(status) = input.status {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(u16::from(status % 17)));
        frames.push(Ok(Frame::trailers(trailers)));
    }
    Response::new(Body::new(StreamBody::new(futures::stream::iter(frames))))
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As it should.
    Well,
    /// By a message that is none.
    BadMessage,
    /// By a frame that is none, too early, or with a status that is a failure.
    Failure,
}

/// How many events there are, and what follows them.
fn expected(input: &Input) -> (usize, End) {
    let bytes = sent(input);
    let (mut rest, mut events) = (&bytes[..], 0);
    loop {
        let Some((prefix, tail)) = rest.split_first_chunk::<5>() else { break };
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if prefix[0] != 0 || length > MOST_BYTES {
            return (events, End::Failure);
        }
        let Some((message, tail)) = tail.split_at_checked(length) else { break };
        if StreamEventsResponse::decode(message).is_err() {
            return (events, End::BadMessage);
        }
        (rest, events) = (tail, events + 1);
    }
    let fails = !rest.is_empty() || input.status.is_none_or(|status| status % 17 != 0);
    (events, if fails { End::Failure } else { End::Well })
}

fuzz_target!(|input: Input| {
    *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = Some(input.clone());
    let (parts, body) = block_on(async {
        let request = Request::get("/api/v1/events").body(Body::empty()).expect("a request");
        let Ok(response) = APP.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        (parts, body.collect().await.expect("an answer has an end").to_bytes())
    });
    let (events, end) = expected(&input);
    // What fails before there was anything is a refusal of the whole stream.
    if events == 0 && end == End::Failure {
        assert_eq!(parts.headers["content-type"], "application/problem+json");
        return;
    }
    assert_eq!(parts.headers["content-type"], "text/event-stream");
    let text = std::str::from_utf8(&body).expect("events are text");
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text:?}");
    let names: Vec<&str> = text.split('\n').filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names.len(), events + usize::from(end != End::Well), "{text:?}");
    assert_eq!(names.iter().filter(|name| **name == "problem").count(), usize::from(end != End::Well), "{text:?}");
    for line in text.split('\n') {
        let data = line.strip_prefix("data: ");
        assert!(
            data.is_some() || line.is_empty() || line.starts_with("id: ") || line.starts_with("event: "),
            "{line:?}"
        );
        if let Some(data) = data {
            drop(serde_json::from_str::<serde_json::Value>(data).expect("JSON"));
        }
    }
});
