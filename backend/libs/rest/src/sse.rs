//! A server stream as a body: Server-Sent Events, or JSON lines.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Request};
use http_body::Frame;
use tonic::Status;

use crate::call;
use crate::endpoint::Endpoint;
use crate::form::Form;
use crate::limits::Limits;
use crate::messages::Messages;
use crate::problem::{Problem, REQUEST_ID};
use crate::route::identified;

/// How long the first message is waited for before the answer begins: a service may refuse a stream by ending it, and the
/// client is to see that as the refusal that it is.
const FIRST_MESSAGE: Duration = Duration::from_millis(250);

/// Answers by messages, or by a problem document if the stream is refused.
pub(crate) async fn answer(endpoint: Arc<Endpoint>, grpc: Router, limits: &Limits, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let id = identified(&mut parts);
    let problem = |problem: Problem| problem.during(&endpoint.domain, Arc::clone(&id)).into_response();
    let message = match endpoint.request(&mut parts, body, limits).await {
        Ok(message) => message,
        Err(fault) => return problem(fault),
    };
    let mut messages = match Messages::of(call::send(grpc, &endpoint.uri, &parts, &message).await) {
        Ok(messages) => messages,
        Err(status) => return problem(Problem::of(&status)),
    };
    let first = match tokio::time::timeout(FIRST_MESSAGE, messages.next()).await {
        Ok(Some(Ok(message))) => Some(message),
        Ok(Some(Err(status))) => return problem(Problem::of(&status)),
        Ok(None) | Err(_) => None,
    };
    let form = Form::asked_for(&parts.headers);
    let events = Events { endpoint: Arc::clone(&endpoint), form, messages, first, is_over: false, id: Arc::clone(&id) };
    let mut response = Response::new(Body::new(events));
    form.announce(&parts.uri, &mut response);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The body: asks the service for a message when the client has taken the one before.
struct Events {
    endpoint: Arc<Endpoint>,
    form: Form,
    messages: Messages,
    first: Option<Bytes>,
    is_over: bool,
    id: Arc<str>,
}

impl Events {
    fn event(&self, message: Bytes) -> Result<Bytes, Status> {
        let (message, json) = self.endpoint.answer(message)?;
        let Some(shape) = &self.endpoint.stream else { return Err(Status::internal("a stream without events")) };
        // A line break would be the end of the id, and what follows it another field.
        let id = shape.id(&message).filter(|id| !id.contains(['\r', '\n', '\0']));
        Ok(self.form.message(id.as_deref(), shape.name(&message), &json))
    }

    fn problem(&self, status: &Status) -> Bytes {
        let problem = Problem::of(status).during(&self.endpoint.domain, Arc::clone(&self.id));
        self.form.problem(&problem.json())
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let message = match this.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(this.messages.poll_next(cx)),
        };
        let text = match message.map(|message| message.and_then(|message| this.event(message))) {
            Some(Ok(event)) => event,
            Some(Err(status)) => {
                this.is_over = true;
                this.problem(&status)
            }
            None => {
                this.is_over = true;
                return Poll::Ready(None);
            }
        };
        Poll::Ready(Some(Ok(Frame::data(text))))
    }
}
