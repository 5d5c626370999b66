//! The one layer that every call passes, whatever the transport: identity, deadline, overload, panics, ids, logs, metrics.
//!
//! Each call is counted before anything is done for it, and refused if there are too many ([`limits`]).
//!
//! The whole request is read before a slot is taken: slots are for work, not for waiting until a client has sent what it
//! wants. Nova's own services have slots of their own, so that strangers can't keep revocations from spreading. A server stream
//! has a slot until it begins; from then on it is one of the [`Streams`].

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use authn::{Access, AccessTable, Denied, Peer, Verifier};
use axum::body::Body;
use errors::status_of;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ids::UserId;
use limits::{Limiter, Rpc};
use metrics::{Counter, counter, gauge, histogram};
use pg::request::InRequest;
use rpc::CallContext;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, Service};
use traces::Tracer;
use tracing::Instrument;
use tracing::field::Empty;

use crate::call_trace::{self, CallTrace};
use crate::config::Listen;
use crate::deadline::grpc_timeout;
use crate::refusal::{Refusal, code_of, explain};
use crate::slots::Slots;
use crate::streams::{Meters, Opening, Streams};
use crate::{Lifecycle, PeerAddress, age, exemplars};

/// How long a client may take to send a request.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Compression flag and length, before each message.
const GRPC_FRAME_HEADER: usize = 5;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// On calls that were made before (gRPC's A6).
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// Puts a [`Guard`] in front of a gRPC service's routes.
#[derive(Clone)]
pub struct GuardLayer {
    rules: Arc<Rules>,
    tracer: Tracer,
}

struct Rules {
    domain: &'static str,
    methods: HashMap<String, Method>,
    verifier: Arc<Verifier>,
    limiter: Arc<Limiter>,
    slots: Slots,
    streams: Arc<Streams>,
    timeout: Duration,
    max_request_bytes: usize,
}

struct Method {
    name: &'static str,
    access: Access,
    is_stream: bool,
    limits: Arc<Rpc>,
    /// Calls of Nova's own services, which are not limited.
    of_services: Counter,
    meters: Arc<Meters>,
}

/// When a call began, and when its caller wants it to be over.
#[derive(Clone, Copy)]
struct Term {
    started: Instant,
    until: Option<Instant>,
}

impl GuardLayer {
    /// A guard for the RPCs of `service` (its full name), of which each must have a row in `table`; `limiter` knows how many
    /// calls are taken of which.
    pub fn new(
        service: &'static str,
        domain: &'static str,
        table: AccessTable,
        verifier: Arc<Verifier>,
        limiter: Arc<Limiter>,
        listen: &Listen,
        life: &Lifecycle,
    ) -> Self {
        Meters::describe();
        let streaming = rest::server_streams(service);
        let method = |&(name, access): &(&'static str, Access)| {
            let outcome = |code: usize| {
                let code = format!("{:?}", Code::from_i32(i32::try_from(code).expect("codes are small")));
                counter!("nova_rpc_calls_total", "service" => service, "method" => name, "code" => code)
            };
            let is_stream = streaming.iter().any(|stream| stream == name);
            let meters = Meters {
                duration: histogram!("nova_rpc_duration_seconds", "service" => service, "method" => name),
                exemplars: exemplars::of("nova_rpc_duration_seconds", &[("service", service), ("method", name)]),
                outcomes: std::array::from_fn(outcome),
                open: is_stream.then(|| gauge!("nova_rpc_streams_open", "service" => service, "method" => name)),
            };
            let limits = limiter.rpc(name);
            let of_services = counter!("nova_rpc_service_calls_total", "service" => service, "method" => name);
            let meters = Arc::new(meters);
            (format!("/{service}/{name}"), Method { name, access, is_stream, limits, of_services, meters })
        };
        let streams = Arc::new(Streams::new(domain, Arc::clone(&verifier), listen.max_streams));
        if !streaming.is_empty() {
            gauge!("nova_rpc_streams_max", "service" => service).set(listen.max_streams as f64);
            life.spawn("streams", Arc::clone(&streams).look_after(life.draining().clone(), listen.clone()));
        }
        let rules = Arc::new(Rules {
            domain,
            methods: table.iter().map(method).collect(),
            verifier,
            limiter,
            slots: Slots::new(service, listen.max_calls_in_flight, life),
            streams,
            timeout: listen.request_timeout,
            max_request_bytes: listen.max_request_bytes,
        });
        Self { rules, tracer: Tracer::default() }
    }

    /// The same, whose calls are recorded.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;
    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, rules: Arc::clone(&self.rules), tracer: self.tracer.clone() }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
    rules: Arc<Rules>,
    tracer: Tracer,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let (rules, tracer) = (Arc::clone(&self.rules), self.tracer.clone());
        Box::pin(async move { Ok(rules.answer(inner, request, &tracer).await) })
    }
}

impl Rules {
    async fn answer<S>(self: Arc<Self>, inner: S, request: Request<Body>, tracer: &Tracer) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send,
        S::Future: Send,
    {
        let started = Instant::now();
        let id = rpc::request_id(request.headers());
        let Some((path, method)) = self.methods.get_key_value(request.uri().path()) else {
            let status = status_of(self.domain, &Refusal::Unimplemented);
            return with_id(
                Status::with_error_details(Code::Unimplemented, status.message(), status.get_error_details())
                    .into_http(),
                &id,
            );
        };
        let asked = grpc_timeout(request.headers());
        let timeout = asked.map_or(self.timeout, |asked| asked.min(self.timeout));
        let term = Term { started, until: asked.and_then(|asked| started.checked_add(asked)) };
        let trace = CallTrace::new(tracer, request.headers(), (path, &id), started.into_std());
        // Of the highest level, so that a warning has its request id whatever the filter lets through.
        let span = tracing::error_span!(
            "rpc",
            method = method.name,
            request_id = &*id,
            trace_id = trace.caller().map(|caller| tracing::field::display(caller.trace_id())),
            span_id = Empty
        );
        let context = CallContext {
            deadline: started + timeout,
            request_id: Arc::clone(&id),
            is_retry: request.headers().contains_key(PREVIOUS_ATTEMPTS),
        };
        let deadline = context.deadline;

        let call = rpc::scope(context, self.call(method, term, &trace, inner, request));
        let call = InRequest::new(AssertUnwindSafe(call).catch_unwind());
        let answered = async {
            match tokio::time::timeout_at(deadline, call).await {
                Ok(Ok(Ok(mut response))) => {
                    explain(self.domain, response.headers_mut());
                    response
                }
                Ok(Ok(Err(refusal))) => status_of(self.domain, &refusal).into_http(),
                Ok(Err(_panic)) => status_of(self.domain, &Refusal::Panicked).into_http(),
                Err(_) => status_of(self.domain, &Refusal::DeadlineExceeded).into_http(),
            }
        };
        let response = answered.instrument(span).await;
        // What a stream came to is known at its end.
        if !method.is_stream || has_ended(&response) {
            let code = code_of(response.headers());
            let span = trace.span();
            method.meters.record(started, code, span.as_ref());
            if let Some(span) = span {
                call_trace::end(&span, code);
            }
        }
        with_id(response, &id)
    }

    async fn call<S>(
        &self,
        method: &Method,
        term: Term,
        trace: &CallTrace<'_>,
        inner: S,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send,
        S::Future: Send,
    {
        let request = self.received(request).await?;
        let caller = self.caller(method.access, request.headers(), request.extensions().get()).await;
        let is_service = matches!(&caller, Ok(Some(caller)) if caller.is_service());
        let current = trace.decide(is_service).clone();
        traces::scope(current, self.call_of(method, term, caller, inner, request)).await
    }

    async fn call_of<S>(
        &self,
        method: &Method,
        term: Term,
        caller: Result<Option<authn::Caller>, Denied>,
        mut inner: S,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Refusal>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send,
        S::Future: Send,
    {
        let address = PeerAddress::of(request.extensions());
        self.admit(method, caller.as_ref().ok().and_then(Option::as_ref), address).await?;
        let caller = caller?;
        // Timers are too coarse for a deadline that is over before there is anything to wait for.
        if term.until.is_some_and(|until| until <= Instant::now()) {
            return Err(Refusal::DeadlineExceeded);
        }
        let opening = if method.is_stream {
            Some(self.opening(method, term, caller.clone(), request.extensions())?)
        } else {
            None
        };
        let of_service = caller.as_ref().is_some_and(authn::Caller::is_service);
        let _slot = self.slots.take(of_service)?;
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        let Ok(response) = inner.call(request).await;
        Ok(match opening {
            Some(opening) if !has_ended(&response) => response.map(|body| self.streams.open(body, opening)),
            _ => response,
        })
    }

    /// Counts the call: a person's for the person and the address, anybody else's, one with a bad token among them, for the
    /// address. Nova's own services are not limited; they have slots of their own.
    async fn admit(
        &self,
        method: &Method,
        caller: Option<&authn::Caller>,
        address: Option<IpAddr>,
    ) -> Result<(), limits::Limited> {
        if caller.is_some_and(authn::Caller::is_service) {
            method.of_services.increment(1);
            return Ok(());
        }
        let person = caller.and_then(authn::Caller::user_id).map(UserId::uuid);
        // Without an address it comes from inside this process.
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.limiter.admit(&method.limits, person, address).await
    }

    fn opening(
        &self,
        method: &Method,
        term: Term,
        caller: Option<authn::Caller>,
        extensions: &Extensions,
    ) -> Result<Opening, Refusal> {
        let place = self.streams.admit()?;
        let meters = Arc::clone(&method.meters);
        let retires_at = extensions.get::<age::Term>().map(|connection| connection.streams_end_at);
        let span = traces::current().span;
        Ok(Opening { place, caller, meters, started: term.started, until: term.until, retires_at, span })
    }

    /// The request with its whole body. Every RPC of Nova's takes one message, so there is an end to wait for.
    async fn received(&self, request: Request<Body>) -> Result<Request<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        let limited = Limited::new(body, self.max_request_bytes + GRPC_FRAME_HEADER);
        let bytes = match tokio::time::timeout(RECEIVE_TIMEOUT, limited.collect()).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge(self.max_request_bytes)),
            // The client has left, or sends too slowly to be waited for.
            Ok(Err(_)) | Err(_) => return Err(Refusal::DeadlineExceeded),
        };
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }

    /// Who calls, by the token, and for a service by what is known of the connection too.
    async fn caller(
        &self,
        access: Access,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Option<authn::Caller>, Denied> {
        let token = match bearer(headers) {
            Ok(token) => token,
            Err(denied) if access == Access::Public => {
                tracing::debug!(%denied, "public call without an identity");
                return Ok(None);
            }
            Err(denied) => return Err(denied),
        };
        let verified = self.verifier.verify(token).await;
        match verified.and_then(|caller| peer.map_or(Ok(()), |peer| peer.vouch_for(&caller)).map(|()| caller)) {
            Ok(caller) => {
                access.check(&caller)?;
                Ok(Some(caller))
            }
            // Logging in again with an old token in the header must work.
            Err(_) if access == Access::Public => Ok(None),
            Err(denied) => Err(denied),
        }
    }
}

/// Whether the status stands in the headers: nothing follows them then.
fn has_ended<B>(response: &Response<B>) -> bool {
    response.headers().contains_key(Status::GRPC_STATUS)
}

fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let value = headers.get(AUTHORIZATION).ok_or(Denied::TokenMissing)?;
    let value = value.to_str().map_err(|_| Denied::TokenInvalid)?;
    let (scheme, token) = value.split_once(' ').ok_or(Denied::TokenInvalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Denied::TokenInvalid) }
}

fn with_id<B>(mut response: Response<B>, id: &str) -> Response<B> {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
