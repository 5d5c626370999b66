//! A channel to another service.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Bytes};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::Service;

use crate::addresses::Addresses;
use crate::fault::Fault;
use crate::link::{Answer, Kind, Link, Miss, Way};
use crate::meters::Meters;
use crate::retry::wait_after;
use crate::{Bounds, Credentials, Dial, Idempotent, Resolver, trace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// How often a call was made before; gRPC's A6 names it.
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");
/// gRPC allows at most eight digits.
const MAX_TIMEOUT_MS: u128 = 99_999_999;
/// Calls of which nothing has left are made again so often without counting as retries.
const MAX_UNSENT: usize = 3;

/// Where a peer is and how long it may take.
#[derive(Clone)]
pub struct Peer {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// How it is reached.
    pub dial: Dial,
    /// How long a call may take if the caller's deadline is later.
    pub timeout: Duration,
}

/// The address of a peer can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{url} is not the address of a gRPC service, such as http://127.0.0.1:9080")]
pub struct PeerFault {
    url: String,
    #[source]
    source: tonic::transport::Error,
}

impl Peer {
    /// A channel of one connection and nothing more, for tools. It connects when it is first used, and again whenever the
    /// connection is lost.
    ///
    /// # Errors
    /// [`PeerFault`] if the address can't be read.
    pub fn channel(&self) -> Result<Channel, PeerFault> {
        Ok(self.dial.clone().channel(&self.endpoint()?, None, || ()))
    }

    /// A channel that survives a bad peer, within these bounds; `name` is the peer's in metrics and logs. Whoever calls is not
    /// said yet. Must be called in a runtime.
    ///
    /// # Errors
    /// [`PeerFault`] if the address can't be read.
    pub fn open(&self, name: &'static str, bounds: &Bounds) -> Result<PeerChannel, PeerFault> {
        self.open_with(name, bounds, Resolver::default())
    }

    /// The same with another resolver.
    ///
    /// # Errors
    /// [`PeerFault`] if the address can't be read.
    pub fn open_with(&self, name: &'static str, bounds: &Bounds, resolver: Resolver) -> Result<PeerChannel, PeerFault> {
        let endpoint = self.endpoint()?;
        let uri: Uri = endpoint.uri().clone();
        let meters = Arc::new(Meters::of(name, uri.host().unwrap_or_default()));
        let addresses = Addresses::new(&uri, endpoint, self.dial.clone(), bounds, resolver, Arc::clone(&meters));
        let link = Arc::new(Link::new(addresses, bounds, self.timeout, meters));
        Ok(PeerChannel { link, credentials: None, timeout: self.timeout, kind: Kind::Call })
    }

    /// Keep-alive pings find a silent partition, after which a channel without them never recovers.
    fn endpoint(&self) -> Result<Endpoint, PeerFault> {
        let endpoint =
            Endpoint::from_shared(self.url.clone()).map_err(|source| PeerFault { url: self.url.clone(), source })?;
        Ok(endpoint
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true))
    }
}

/// A channel for generated clients: adds the service token, the rest of the caller's deadline and the request's ids, and keeps
/// within the peer's [`Bounds`]. Clones share connections, circuits, places and budget.
#[derive(Clone)]
pub struct PeerChannel {
    link: Arc<Link>,
    credentials: Option<Credentials>,
    timeout: Duration,
    kind: Kind,
}

impl PeerChannel {
    /// The same with our identity on every call.
    #[must_use]
    pub fn with(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// The same for calls that are answered by a stream. The time-out bounds how long a peer is waited for until it begins to
    /// answer; how long it goes on is for who reads it to say, so neither that nor the caller's deadline is passed on.
    #[must_use]
    pub fn for_streams(self) -> Self {
        Self { kind: Kind::Stream, ..self }
    }

    /// The same for a task that calls now and then and waits for each answer: neither an open circuit nor too many other calls
    /// keep it from trying, and when it succeeds the circuit is closed.
    #[must_use]
    pub fn for_upkeep(self) -> Self {
        Self { kind: Kind::Upkeep, ..self }
    }

    async fn run(&self, request: http::Request<Body>, deadline: Instant) -> Result<Answer, Status> {
        let context = crate::current();
        let (mut parts, body) = request.into_parts();
        if let Some(id) = context.as_ref().and_then(|context| HeaderValue::from_str(&context.request_id).ok()) {
            parts.headers.insert(REQUEST_ID, id);
        }
        trace::propagate(&mut parts.headers);
        let token = match &self.credentials {
            Some(credentials) => Some(credentials.header().await?),
            None => None,
        };
        if let Some(token) = &token {
            let value = HeaderValue::from_bytes(token.as_encoded_bytes()).expect("metadata is a header value");
            parts.headers.insert(http::header::AUTHORIZATION, value);
        }
        // Every RPC of Nova's takes one message.
        let body = body.collect().await?.to_bytes();
        let may_repeat = parts.extensions.get::<Idempotent>().is_some() && !context.is_some_and(|c| c.is_retry);
        let _place = self.link.enter(self.kind).await?;
        self.link.budget.deposit();
        let answer = self.exchange(&parts, &body, may_repeat, deadline).await?;
        if let Some(token) = &token {
            self.note_refusal(answer.status.as_ref(), token).await;
        }
        Ok(answer)
    }

    /// Sends until there is an answer that is final.
    async fn exchange(
        &self,
        parts: &Parts,
        body: &Bytes,
        may_repeat: bool,
        deadline: Instant,
    ) -> Result<Answer, Status> {
        let (mut tried, mut unsent, mut sent) = (vec![], 0, 0);
        loop {
            let request = self.request(parts, body, sent, deadline)?;
            let (ended, address) = match self.link.exchange(request, self.kind, &tried).await {
                Ok(answer) => (Ok(answer), None),
                Err(Miss { fault, way: Way::Refused }) => return Err(fault.into()),
                Err(Miss { way: Way::NotSent(address), .. }) if unsent < MAX_UNSENT => {
                    unsent += 1;
                    tried.push(address);
                    continue;
                }
                Err(Miss { fault, way: Way::NotConnected(address) }) => {
                    tried.push(address);
                    if unsent < MAX_UNSENT && self.link.has_other_than(&tried) {
                        unsent += 1;
                        continue;
                    }
                    (Err(Status::from(fault)), None)
                }
                Err(Miss { fault, way: Way::NotSent(address) | Way::Sent(address) }) => {
                    (Err(Status::from(fault)), Some(address))
                }
            };
            sent += 1;
            tried.extend(address);
            let status = match &ended {
                Ok(answer) => answer.status.as_ref(),
                Err(status) => Some(status),
            };
            let wait = status.filter(|_| may_repeat).and_then(|status| wait_after(sent, status));
            match wait.filter(|wait| Instant::now() + *wait < deadline) {
                Some(wait) if self.may_retry() => tokio::time::sleep(wait).await,
                _ => return ended,
            }
        }
    }

    fn may_retry(&self) -> bool {
        let meters = &self.link.meters;
        let is_left = self.link.budget.withdraw();
        let counter = if is_left { &meters.retries } else { &meters.retries_refused };
        counter.increment(1);
        is_left
    }

    fn request(&self, parts: &Parts, body: &Bytes, sent: u32, deadline: Instant) -> Result<http::Request<Body>, Fault> {
        let mut parts = parts.clone();
        if self.kind != Kind::Stream {
            let ms = deadline.saturating_duration_since(Instant::now()).as_millis().min(MAX_TIMEOUT_MS);
            if ms == 0 {
                return Err(Fault::Late);
            }
            parts.headers.insert(GRPC_TIMEOUT, HeaderValue::try_from(format!("{ms}m")).expect("digits and a letter"));
        }
        if sent > 0 {
            parts.headers.insert(PREVIOUS_ATTEMPTS, sent.into());
        }
        Ok(http::Request::from_parts(parts, Body::new(Full::new(body.clone()))))
    }

    async fn note_refusal(&self, status: Option<&Status>, token: &MetadataValue<Ascii>) {
        if let Some(credentials) = &self.credentials
            && status.is_some_and(|status| status.code() == Code::Unauthenticated)
        {
            credentials.forget(token);
        }
    }
}

impl Service<http::Request<Body>> for PeerChannel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(())) // all that is waited for is waited for inside the call, under its deadline
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let channel = self.clone();
        Box::pin(async move {
            let begun = Instant::now();
            let wait = match crate::current() {
                Some(context) if channel.kind != Kind::Stream => context.remaining().min(channel.timeout),
                _ => channel.timeout,
            };
            let deadline = begun + wait;
            let (current, span) = trace::begin(request.uri().path(), &channel.link.meters);
            let ended = traces::scope(current, timeout_at(deadline, channel.run(request, deadline))).await;
            let ended = ended.unwrap_or_else(|_| Err(Fault::Late.into()));
            let status = ended.as_ref().map_or_else(Some, |answer| answer.status.as_ref());
            let code = status.map_or(Code::Ok, Status::code);
            channel.link.meters.record(code, begun.elapsed());
            if let Some(span) = span {
                trace::end(&span, code);
            }
            ended.map(|answer| answer.response)
        })
    }
}
