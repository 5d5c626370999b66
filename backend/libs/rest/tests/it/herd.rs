//! A gRPC service that streams what a test tells it to, with REST in front of it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tonic::Status;
use tower::ServiceExt;

use crate::fake::ZOO;

pub const EVENTS: &str = "/zoo/herds/h/events";
const ZOO_SERVICE: &str = "nova.zoo.v1.ZooService";
/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(100);

/// What the service was asked for.
#[derive(Debug)]
pub struct Asked {
    pub headers: HeaderMap,
    pub request: Value,
    /// The service's end of the stream.
    pub source: Source,
}

/// The service's end of a stream. Dropping it ends the stream without a status.
#[derive(Debug)]
pub struct Source(mpsc::Sender<Frame<Bytes>>);

impl Source {
    /// Sends an event.
    pub async fn event(&self, event: Value) {
        self.bytes(frame(event)).await;
    }

    pub async fn bytes(&self, bytes: impl Into<Bytes>) {
        self.send(Frame::data(bytes.into())).await;
    }

    /// Ends the stream.
    pub async fn end(self, status: Status) {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        self.send(Frame::trailers(trailers)).await;
    }

    async fn send(&self, frame: Frame<Bytes>) {
        timeout(PATIENCE, self.0.send(frame)).await.expect("somebody reads the stream").expect("the stream is open");
    }

    /// Waits until the stream has been let go.
    pub async fn is_let_go(&self) {
        timeout(PATIENCE, self.0.closed()).await.expect("it is let go");
    }
}

/// An event in gRPC's frame.
pub fn frame(event: Value) -> Vec<u8> {
    let kind = ZOO.get_message_by_name("nova.zoo.v1.HerdEvent").unwrap();
    framed(&DynamicMessage::deserialize(kind, event).expect("it fits").encode_to_vec())
}

pub fn framed(message: &[u8]) -> Vec<u8> {
    [&[0], u32::try_from(message.len()).unwrap().to_be_bytes().as_slice(), message].concat()
}

/// A quiet moment of which the cursor is told.
pub fn quiet(cursor: &str) -> Value {
    json!({ "cursor": cursor, "quiet": {} })
}

/// See the module.
pub struct Herd {
    pub app: Router,
    asked: mpsc::Receiver<Asked>,
    refusal: Arc<Mutex<Option<Status>>>,
}

impl Herd {
    pub fn new() -> Self {
        let (sender, asked) = mpsc::channel(16);
        let refusal: Arc<Mutex<Option<Status>>> = Arc::default();
        let refused = Arc::clone(&refusal);
        let answer = move |request: Request<Body>| {
            let (sender, refused) = (sender.clone(), refused.lock().unwrap().clone());
            async move {
                let (source, frames) = mpsc::channel(4);
                let (headers, request) = read(request).await;
                sender.send(Asked { headers, request, source: Source(source) }).await.expect("the test goes on");
                match refused {
                    Some(status) => status.into_http(),
                    None => Response::new(body(frames)),
                }
            }
        };
        Self { app: app(Router::new().fallback(answer)), asked, refusal }
    }

    pub fn refuses(&self, status: Status) {
        *self.refusal.lock().unwrap() = Some(status);
    }

    /// What was asked for.
    pub async fn asked(&mut self) -> Asked {
        timeout(PATIENCE, self.asked.recv()).await.expect("the service is asked").expect("the service lives")
    }

    /// Asks for a stream of events; the answer begins with the first one, or when there has been none for a while.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let Ok(response) = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await;
        response
    }

    /// Opens a stream of events, and has both ends of it.
    pub async fn open(&mut self) -> (Reader, Source) {
        let request = Request::get(EVENTS).header("x-request-id", "mine").body(Body::empty()).unwrap();
        let answer = tokio::spawn(self.app.clone().oneshot(request));
        (Reader { answer: Some(answer), body: Body::empty() }, self.asked().await.source)
    }

    /// Opens a WebSocket.
    pub async fn socket(&self, path: &str, protocols: &[&str]) -> (Socket, http::Response<Option<Vec<u8>>>) {
        socket(self.app.clone(), path, protocols).await
    }
}

/// REST in front of a service.
pub fn app(grpc: Router) -> Router {
    let routes = rest::routes_of(&ZOO, ZOO_SERVICE, grpc, rest::Limits::default()).expect("the rules are valid");
    rest::gate(routes).fallback(rest::not_found)
}

pub type Socket = WebSocketStream<DuplexStream>;

/// A WebSocket over a pipe, so that a test may stop the clock.
pub async fn socket(app: Router, path: &str, protocols: &[&str]) -> (Socket, http::Response<Option<Vec<u8>>>) {
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let service = TowerToHyperService::new(app);
        let server = auto::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection_with_upgrades(TokioIo::new(theirs), service).await;
    });
    let mut request = ClientRequestBuilder::new(format!("ws://zoo{path}").parse().unwrap());
    for protocol in protocols {
        request = request.with_sub_protocol(*protocol);
    }
    tokio_tungstenite::client_async(request, ours).await.expect("an upgrade")
}

fn body(frames: mpsc::Receiver<Frame<Bytes>>) -> Body {
    let frames = futures::stream::unfold(frames, async |mut frames| Some((frames.recv().await?, frames)));
    Body::new(StreamBody::new(frames.map(Ok::<_, Infallible>)))
}

async fn read(request: Request<Body>) -> (HeaderMap, Value) {
    let (parts, body) = request.into_parts();
    let (service, name) = parts.uri.path().trim_start_matches('/').split_once('/').expect("a gRPC path");
    let service = ZOO.get_service_by_name(service).expect("a service");
    let method = service.methods().find(|method| method.name() == name).expect("a method");
    let frame = body.collect().await.unwrap().to_bytes();
    let message = DynamicMessage::decode(method.input(), frame.slice(5..)).expect("a message");
    let options = SerializeOptions::new().use_proto_field_name(true);
    (parts.headers, message.serialize_with_options(serde_json::value::Serializer, &options).unwrap())
}

/// The client's end of a stream of events.
pub struct Reader {
    answer: Option<JoinHandle<Result<Response<Body>, Infallible>>>,
    body: Body,
}

impl Reader {
    /// Of an answer that has begun.
    pub fn of(response: Response<Body>) -> Self {
        let media_type = response.headers()["content-type"].to_str().expect("text");
        assert!(["text/event-stream", "application/x-ndjson"].contains(&media_type), "{media_type}");
        Self { answer: None, body: response.into_body() }
    }

    /// The answer, once it has begun.
    pub async fn answer(&mut self) -> Response<Body> {
        let answer = self.answer.take().expect("it has not been asked for");
        let Ok(response) = timeout(PATIENCE, answer).await.expect("it begins").unwrap();
        response
    }

    /// What comes next, as it is sent.
    pub async fn text(&mut self) -> String {
        if self.answer.is_some() {
            self.body = Self::of(self.answer().await).body;
        }
        let frame = timeout(PATIENCE, self.body.frame()).await.expect("something comes").expect("there is more");
        String::from_utf8(frame.unwrap().into_data().expect("data").to_vec()).unwrap()
    }

    /// The problem document that the stream ends with.
    pub async fn problem(mut self) -> Value {
        let text = self.text().await;
        let json = text.strip_prefix("event: problem\ndata: ").unwrap_or_else(|| panic!("no problem: {text}"));
        self.is_over().await;
        serde_json::from_str(json).unwrap()
    }

    pub async fn is_over(&mut self) {
        assert!(timeout(PATIENCE, self.body.frame()).await.expect("an end").is_none());
    }
}
