//! A peer that does what it is told, and counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::{StreamExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use protos::auth::v1::IssueServiceTokenResponse;
use protos::user::v1::CheckContactRequest;
use protos::user::v1::user_service_client::UserServiceClient;
use rpc::{Bounds, Dial, Peer, PeerChannel, Resolver};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::Status;

/// What a peer does with a call.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Answers with nothing but defaults.
    Well,
    /// Gives a token of so many seconds.
    Token(i64),
    /// Fails: in the headers, as tonic's servers do.
    Fail(Status),
    /// Fails after the headers: in the trailers.
    FailInTrailers(Status),
    /// Says nothing.
    Silent,
    /// Begins to answer and stops.
    Stalled,
    /// Answers without an end.
    Endless,
    /// Streams: a message for each wake-up.
    Stream(Arc<Notify>),
    /// Is no gRPC.
    Html(u16),
}

pub struct Fake {
    pub at: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    calls: Arc<AtomicU32>,
    headers: Arc<Mutex<HeaderMap>>,
}

impl Fake {
    pub async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("a bound listener has an address");
        let fake = Self { at, mode: Arc::new(Mutex::new(mode)), calls: Arc::default(), headers: Arc::default() };
        let (mode, calls, headers) = (Arc::clone(&fake.mode), Arc::clone(&fake.calls), Arc::clone(&fake.headers));
        let answer = move |request: Request| {
            calls.fetch_add(1, Ordering::SeqCst);
            headers.lock().expect("no panic").clone_from(request.headers());
            let mode = mode.lock().expect("no panic").clone();
            async move { answer(mode).await }
        };
        let routes = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        fake
    }

    pub fn now(&self, mode: Mode) {
        *self.mode.lock().expect("no panic") = mode;
    }

    /// Calls that have arrived.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// A header of the last call.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers.lock().expect("no panic");
        headers.get(name).map(|value| value.to_str().expect("text").to_owned())
    }

    /// A channel to it alone.
    pub fn channel(&self, timeout: Duration, bounds: &Bounds) -> PeerChannel {
        peer(self.at, timeout).open("user", bounds).expect("an address")
    }
}

pub fn peer(at: SocketAddr, timeout: Duration) -> Peer {
    Peer { url: format!("http://{at}"), dial: Dial::Plain, timeout }
}

/// A channel to `peers.test`, which has the addresses that are in `found` by then.
pub fn named(found: &Arc<Mutex<Vec<SocketAddr>>>, timeout: Duration, bounds: &Bounds) -> PeerChannel {
    let found = Arc::clone(found);
    let resolver = Resolver::new(move |host, _| {
        assert_eq!(host, "peers.test");
        let found = found.lock().expect("no panic").clone();
        async move { Ok(found) }
    });
    let peer = Peer { url: "http://peers.test:80".to_owned(), dial: Dial::Plain, timeout };
    peer.open_with("user", bounds, resolver).expect("an address")
}

/// Calls once.
pub async fn call(channel: &PeerChannel) -> Result<(), Status> {
    UserServiceClient::new(channel.clone()).check_contact(CheckContactRequest::default()).await.map(drop)
}

/// Calls what may be repeated.
pub async fn call_idempotent(channel: &PeerChannel) -> Result<(), Status> {
    let request = rpc::idempotent(CheckContactRequest::default());
    UserServiceClient::new(channel.clone()).check_contact(request).await.map(drop)
}

async fn answer(mode: Mode) -> Response {
    let frames: Vec<Frame<Bytes>> = match mode {
        Mode::Well => vec![message(&[]), trailers(&Status::ok(""))],
        Mode::Token(expires_in) => {
            let answer = IssueServiceTokenResponse { access_token: "token".to_owned(), expires_in };
            vec![message(&answer.encode_to_vec()), trailers(&Status::ok(""))]
        }
        Mode::Fail(status) => return status.into_http(),
        Mode::FailInTrailers(status) => vec![trailers(&status)],
        Mode::Silent => std::future::pending().await,
        Mode::Stalled => return grpc(stream::iter([message(&[])]).chain(stream::pending())),
        Mode::Endless => return grpc(stream::repeat_with(|| Frame::data(Bytes::from_static(&[0; 64 * 1024])))),
        Mode::Stream(wake) => {
            return grpc(stream::unfold(wake, async |wake| {
                wake.notified().await;
                Some((message(&[]), wake))
            }));
        }
        Mode::Html(status) => {
            return Response::builder().status(status).body(Body::from("<html>")).expect("a response");
        }
    };
    grpc(stream::iter(frames))
}

fn grpc(frames: impl stream::Stream<Item = Frame<Bytes>> + Send + 'static) -> Response {
    let body = Body::new(StreamBody::new(frames.map(Ok::<_, Infallible>)));
    Response::builder().header("content-type", "application/grpc").body(body).expect("a response")
}

fn message(bytes: &[u8]) -> Frame<Bytes> {
    let length = u32::try_from(bytes.len()).expect("small");
    Frame::data([&[0], length.to_be_bytes().as_slice(), bytes].concat().into())
}

fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).expect("an empty map takes a status");
    Frame::trailers(trailers)
}
