//! A call in process: one gRPC frame in, the answer or the status out.

use axum::Router;
use axum::body::Body;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, TE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::BodyExt;
use prost::Message;
use prost_reflect::DynamicMessage;
use tonic::{Code, Status};
use tower::ServiceExt;

/// Bytes in front of each message: whether it is compressed, and its length.
pub(crate) const PREFIX: usize = 5;
/// What goes along to the service.
const PASSED_ON: [HeaderName; 6] = [
    AUTHORIZATION,
    USER_AGENT,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("grpc-timeout"),
];

/// Sends a message to the RPC at `uri`; the answer is gRPC's, as a server stream needs it. What is known of the connection that
/// `parts` came over goes along.
pub(crate) async fn send(grpc: Router, uri: &Uri, parts: &Parts, message: &DynamicMessage) -> Response<Body> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).expect("bodies are bounded far below this"));
    message.encode(&mut frame).expect("the buffer grows");

    let mut request = Request::new(Body::from(frame.freeze()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    *request.version_mut() = Version::HTTP_2;
    request.extensions_mut().clone_from(&parts.extensions);
    let passed = request.headers_mut();
    passed.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    passed.insert(TE, HeaderValue::from_static("trailers"));
    for name in &PASSED_ON {
        if let Some(value) = parts.headers.get(name) {
            passed.insert(name, value.clone());
        }
    }
    let Ok(response) = grpc.oneshot(request).await;
    response
}

/// The one message of an answer.
pub(crate) async fn unary(response: Response<Body>) -> Result<Bytes, Status> {
    let (parts, body) = response.into_parts();
    if let Some(status) = refusal(&parts.headers) {
        return Err(status);
    }
    let body = body.collect().await.map_err(|error| Status::internal(error.to_string()))?;
    match body.trailers() {
        Some(trailers) => {
            if let Some(status) = refusal(trailers) {
                return Err(status);
            }
        }
        // Neither headers nor trailers tell how it went.
        None if !parts.headers.contains_key("grpc-status") => {
            return Err(Status::internal("an answer without a status"));
        }
        None => {}
    }
    let mut message = body.to_bytes();
    if message.len() < PREFIX || message[0] != 0 {
        return Err(Status::internal("an answer without a message"));
    }
    message.advance(PREFIX);
    Ok(message)
}

/// The status among headers or trailers, if it is a failure.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
}
