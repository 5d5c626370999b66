//! A channel to another service.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::{Credentials, Dial};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// gRPC allows at most eight digits.
const MAX_TIMEOUT_MS: u128 = 99_999_999;

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
    /// A channel that connects when it is first used, and again whenever the connection is lost.
    ///
    /// Keep-alive pings find a silent partition, after which a channel without them never recovers.
    ///
    /// # Errors
    /// [`PeerFault`] if the address can't be read.
    pub fn channel(&self) -> Result<Channel, PeerFault> {
        let endpoint =
            Endpoint::from_shared(self.url.clone()).map_err(|source| PeerFault { url: self.url.clone(), source })?;
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(1))
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(self.dial.clone().channel(&endpoint))
    }

    /// The same with our identity on every call.
    ///
    /// # Errors
    /// [`PeerFault`] if the address can't be read.
    pub fn connect(&self, credentials: Credentials) -> Result<PeerChannel, PeerFault> {
        Ok(PeerChannel { channel: self.channel()?, credentials, timeout: self.timeout, is_for_streams: false })
    }
}

/// A channel for generated clients: adds the service token, the rest of the caller's deadline, and the request's ids.
#[derive(Clone)]
pub struct PeerChannel {
    channel: Channel,
    credentials: Credentials,
    timeout: Duration,
    is_for_streams: bool,
}

impl PeerChannel {
    /// The same for calls that are answered by a stream. The time-out bounds how long a peer is waited for until it begins to
    /// answer; how long it goes on is for who reads it to say, so neither that nor the caller's deadline is passed on.
    #[must_use]
    pub fn for_streams(self) -> Self {
        Self { is_for_streams: true, ..self }
    }
}

impl Service<http::Request<Body>> for PeerChannel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(())) // the channel is waited for inside the call, under its deadline
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let Self { channel, credentials, timeout, is_for_streams } = self.clone();
        Box::pin(async move {
            let context = crate::current();
            let wait = match &context {
                Some(context) if !is_for_streams => context.remaining().min(timeout),
                _ => timeout,
            };
            let headers = request.headers_mut();
            if let Some(context) = context {
                if let Ok(id) = HeaderValue::from_str(&context.request_id) {
                    headers.insert(REQUEST_ID, id);
                }
                if let Some(trace) = context.traceparent.and_then(|t| HeaderValue::from_str(&t).ok()) {
                    headers.insert(TRACEPARENT, trace);
                }
            }
            if !is_for_streams {
                let ms = wait.as_millis().min(MAX_TIMEOUT_MS);
                headers.insert(GRPC_TIMEOUT, HeaderValue::try_from(format!("{ms}m")).expect("digits and a letter"));
            }
            let call = async move {
                let token = credentials.header().await?;
                let authorization =
                    HeaderValue::from_bytes(token.as_encoded_bytes()).expect("metadata is a header value");
                request.headers_mut().insert(http::header::AUTHORIZATION, authorization);
                let response = channel.oneshot(request).await.map_err(|e| {
                    tracing::debug!(error = %e, "a peer can't be reached");
                    Status::unavailable("a service that is needed does not answer")
                })?;
                if Status::from_header_map(response.headers()).is_some_and(|s| s.code() == Code::Unauthenticated) {
                    credentials.forget(&token).await;
                }
                Ok(response)
            };
            match tokio::time::timeout(wait, call).await {
                Ok(answer) => answer,
                Err(_) => Err(Status::deadline_exceeded("a service that is needed took too long")),
            }
        })
    }
}
