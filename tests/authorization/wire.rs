//! Sends a request in JSON over each transport and tells what came of it.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use errors::ErrorDetailsOf;
use futures::StreamExt;
use http::uri::PathAndQuery;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value;
use test_harness::grpc_helpers::unexpected;
use test_harness::{Outcome, ServiceName, World};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::routes::{Transport, filled};

/// For the first event of a stream, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done; what it showed, as JSON. Of a stream the first event.
    Done(String),
    /// It was refused.
    Refused(Refused),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The gRPC code, or the HTTP status.
    pub status: u16,
    /// Why.
    pub reason: String,
    /// All that is told besides: the text and the details, without the id of the request.
    pub told: String,
}

/// Calls over each transport.
pub struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Wire {
    pub fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Calls an RPC.
    pub async fn call(
        &self,
        world: &World,
        (service, method): (ServiceName, &MethodDescriptor),
        transport: &Transport,
        token: &str,
        request: &Value,
    ) -> Outcome<Answer> {
        match transport {
            Transport::Grpc => grpc(world, service, method, token, request).await,
            Transport::Rest(verb, path, has_body) => {
                let (path, body) = filled(path, *has_body, request);
                let url = world.http(service).await? + &path;
                self.rest((verb, url), token, body, method.is_server_streaming()).await
            }
            Transport::WebSocket(path) => {
                let (path, _) = filled(path, false, request);
                socket(world.http(service).await? + &path, token).await
            }
        }
    }

    async fn rest(
        &self,
        (verb, url): (&Method, String),
        token: &str,
        body: Option<Value>,
        is_stream: bool,
    ) -> Outcome<Answer> {
        let failed = |cause: String| unexpected(format!("{verb} {url}: {cause}"));
        let mut request = Request::builder().method(verb).uri(&url);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.body(Full::from(body)).map_err(|e| failed(e.to_string()))?;
        let answer = self.client.request(request).await.map_err(|e| failed(e.to_string()))?;
        let status = answer.status();
        let mut body = answer.into_body();
        if is_stream && status.is_success() {
            let first = timeout(PATIENCE, body.frame()).await.map_err(|_| failed("nothing came".to_owned()))?;
            let first = first.and_then(|frame| frame.ok()?.into_data().ok()).unwrap_or_default();
            return Ok(Answer::Done(String::from_utf8_lossy(&first).into_owned()));
        }
        let body = body.collect().await.map_err(|e| failed(e.to_string()))?.to_bytes();
        if status.is_success() {
            return Ok(Answer::Done(String::from_utf8_lossy(&body).into_owned()));
        }
        let problem = serde_json::from_slice(&body).map_err(|e| failed(format!("{status}, {e}")))?;
        Ok(Answer::Refused(refused(problem)))
    }
}

/// A problem document.
fn refused(mut problem: Value) -> Refused {
    for name in ["request_id", "requestId", "instance"] {
        problem.as_object_mut().and_then(|problem| problem.remove(name));
    }
    let status = problem["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or_default();
    let reason = problem["reason"].as_str().unwrap_or_default().to_owned();
    Refused { status, reason, told: problem.to_string() }
}

async fn grpc(
    world: &World,
    service: ServiceName,
    method: &MethodDescriptor,
    token: &str,
    request: &Value,
) -> Outcome<Answer> {
    let message = DynamicMessage::deserialize(method.input(), request).map_err(|e| unexpected(e.to_string()))?;
    let mut call = tonic::Request::new(message.encode_to_vec());
    if !token.is_empty() {
        call.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header value"));
    }
    let path: PathAndQuery = format!("/{}/{}", service.grpc(), method.name()).parse().expect("a path");
    let mut grpc = tonic::client::Grpc::new(world.channel(service));
    grpc.ready().await.map_err(|e| unexpected(e.to_string()))?;
    let answer = if method.is_server_streaming() {
        match grpc.server_streaming(call, path, Raw).await {
            Ok(stream) => first(&mut stream.into_inner()).await,
            Err(status) => Err(status),
        }
    } else {
        grpc.unary(call, path, Raw).await.map(tonic::Response::into_inner)
    };
    match answer {
        Ok(bytes) => {
            let shown = DynamicMessage::decode(method.output(), &*bytes).map_err(|e| unexpected(e.to_string()))?;
            Ok(Answer::Done(serde_json::to_string(&shown).map_err(|e| unexpected(e.to_string()))?))
        }
        Err(status) => {
            testkit::check_status(&status);
            let told = format!("{} {:?}", status.message(), status.get_error_details());
            let reason = status.reason().unwrap_or_default();
            Ok(Answer::Refused(Refused { status: status.code() as u16, reason, told }))
        }
    }
}

async fn first(stream: &mut tonic::Streaming<Vec<u8>>) -> Result<Vec<u8>, Status> {
    let next = timeout(PATIENCE, stream.message()).await;
    next.map_err(|_| Status::new(Code::Unknown, "nothing came"))??.ok_or_else(|| Status::new(Code::Unknown, "it ended"))
}

async fn socket(url: String, token: &str) -> Outcome<Answer> {
    let failed = |cause: String| unexpected(format!("{url}: {cause}"));
    let address = url.replacen("http", "ws", 1).parse().map_err(|_| failed("no address".to_owned()))?;
    let mut request = ClientRequestBuilder::new(address).with_sub_protocol("nova.v1");
    if !token.is_empty() {
        request = request.with_sub_protocol(format!("nova.bearer.{token}"));
    }
    let (mut socket, _) = connect_async(request).await.map_err(|e| failed(e.to_string()))?;
    let first = timeout(PATIENCE, socket.next()).await.map_err(|_| failed("nothing came".to_owned()))?;
    let first = first.and_then(Result::ok).and_then(|first| first.into_text().ok());
    let first = first.ok_or_else(|| failed("it ended".to_owned()))?;
    let mut event: Value = serde_json::from_str(&first).map_err(|e| failed(e.to_string()))?;
    Ok(match event.get_mut("problem") {
        Some(problem) => Answer::Refused(refused(problem.take())),
        None => Answer::Done(first.to_string()),
    })
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, message: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}
