//! A service that streams what a test tells it to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use authn::{Access, Claims, Verifier};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use chassis::config::Listen;
use chassis::{Guard, GuardLayer, Lifecycle};
use clock::{Clock, MockClock};
use futures::StreamExt;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use ids::{SessionId, UserId};
use limits::Limiter;
use prost::Message;
use protos::messaging::v1::StreamEventsResponse;
use testkit::{Tokens, check_status};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt};

pub const SERVICE: &str = "nova.messaging.v1.MessagingService";
pub const ACCESS: &[(&str, Access)] = &[("StreamEvents", Access::Caller), ("GetMessage", Access::Caller)];
/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a stream does next.
pub enum Step {
    Send(Frame<Bytes>),
    Fail,
    Panic,
}

/// The service's end of a stream. Dropping it ends the stream without a status.
pub struct Source(mpsc::Sender<Step>);

impl Source {
    pub async fn event(&self, cursor: &str) {
        self.step(Step::Send(Frame::data(frame(cursor)))).await;
    }

    pub async fn end(&self, code: Code) {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", (code as i32).into());
        self.step(Step::Send(Frame::trailers(trailers))).await;
    }

    pub async fn step(&self, step: Step) {
        let Ok(sent) = timeout(PATIENCE, self.0.send(step)).await else { panic!("nobody reads the stream") };
        assert!(sent.is_ok(), "the stream is open");
    }

    /// Waits until the stream has been let go.
    pub async fn is_let_go(&self) {
        timeout(PATIENCE, self.0.closed()).await.expect("it is let go");
    }
}

/// An event as gRPC frames it.
pub fn frame(cursor: &str) -> Bytes {
    let message = StreamEventsResponse { cursor: cursor.to_owned(), ..StreamEventsResponse::default() }.encode_to_vec();
    let length = u32::try_from(message.len()).expect("small");
    [&[0], length.to_be_bytes().as_slice(), &message].concat().into()
}

pub struct World {
    pub life: Lifecycle,
    pub hands: MockClock,
    pub tokens: Tokens,
    pub verifier: Arc<Verifier>,
    /// The service without a guard.
    pub routes: Router,
    clock: Clock,
    opened: Mutex<mpsc::Receiver<Source>>,
}

impl World {
    pub fn new() -> Self {
        let (clock, hands) = testkit::mock_clock();
        let tokens = Tokens::new(clock.clone());
        let (sources, opened) = mpsc::channel(16);
        let stream = move |request: Request| {
            let sources = sources.clone();
            async move {
                if request.headers().contains_key("x-hang") {
                    std::future::pending::<()>().await;
                }
                let (source, steps) = mpsc::channel(1);
                sources.send(Source(source)).await.expect("a test that looks");
                Response::builder().header("content-type", "application/grpc").body(body(steps)).expect("a response")
            }
        };
        let routes = Router::new()
            .route(&format!("/{SERVICE}/StreamEvents"), post(stream))
            .route(&format!("/{SERVICE}/GetMessage"), post(async || "a message"));
        let verifier = tokens.verifier();
        let opened = Mutex::new(opened);
        Self { life: Lifecycle::new(clock.clone()), hands, tokens, verifier, routes, clock, opened }
    }

    pub fn guard(&self, listen: &Listen) -> Guard<Router> {
        let (verifier, limiter) = (Arc::clone(&self.verifier), Arc::new(Limiter::off()));
        GuardLayer::new(SERVICE, "messaging.nova", ACCESS, verifier, limiter, listen, &self.life)
            .layer(self.routes.clone())
    }

    pub fn claims(&self) -> Claims {
        self.tokens.claims(UserId::generate(self.clock.now()), &[])
    }

    pub fn person(&self) -> String {
        self.tokens.sign(&self.claims())
    }

    pub fn revoke(&self, claims: &Claims) {
        let session = SessionId::parse(claims.sid.as_deref().expect("a person's")).expect("an id");
        self.verifier.revoke(session, self.clock.now() + Duration::from_secs(3600));
    }

    /// The service's end of the stream that was opened last.
    pub async fn source(&self) -> Source {
        let next = std::future::poll_fn(|cx| self.opened.lock().expect("one test").poll_recv(cx));
        timeout(PATIENCE, next).await.expect("a stream is opened").expect("the service lives")
    }
}

fn body(steps: mpsc::Receiver<Step>) -> Body {
    let steps = futures::stream::unfold(steps, async |mut steps| Some((steps.recv().await?, steps)));
    Body::new(StreamBody::new(steps.map(|step| match step {
        Step::Send(frame) => Ok(frame),
        Step::Fail => Err("the disk is full"),
        Step::Panic => panic!("secret /home/of/nova"),
    })))
}

/// The client's end of a stream.
pub struct Reader(Body);

impl Reader {
    /// Opens a stream, or says why not.
    pub async fn open(guard: &Guard<Router>, token: &str, headers: &[(&str, &str)]) -> Result<Self, Status> {
        let mut request = Request::post(format!("/{SERVICE}/StreamEvents"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty());
        let Ok(response) = guard.clone().oneshot(request.expect("a request")).await;
        assert!(response.headers().contains_key("x-request-id"), "every answer names its request");
        match Status::from_header_map(response.headers()) {
            None => Ok(Self(response.into_body())),
            Some(status) => {
                check_status(&status);
                Err(status)
            }
        }
    }

    /// The next event's frame.
    pub async fn event(&mut self) -> Bytes {
        let frame = timeout(PATIENCE, self.0.frame()).await.expect("an event").expect("the stream is open");
        frame.expect("streams end by trailers").into_data().expect("an event, not the end")
    }

    /// The status that the stream ends with.
    pub async fn end(mut self) -> Status {
        let frame = timeout(PATIENCE, self.0.frame()).await.expect("an end").expect("trailers");
        let trailers = frame.expect("streams end by trailers").into_trailers().expect("the end");
        assert!(self.0.frame().await.is_none(), "nothing comes after the trailers");
        let status = Status::from_header_map(&trailers).expect("a status");
        if status.code() != Code::Ok {
            check_status(&status);
        }
        status
    }
}
