//! A server stream as a WebSocket: each message is a text frame, and nothing is to be said by the client.
//!
//! Pages of any origin may connect: there are no cookies, so a page has no more rights than the token that it has been given.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use errors::FieldViolation;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tonic::Status;

use crate::call;
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::messages::Messages;
use crate::problem::{Problem, REQUEST_ID};
use crate::route::identified;

/// The subprotocol that is spoken.
const PROTOCOL: &str = "nova.v1";
/// A subprotocol that begins with this is an access token: the one place where a browser lets a page put it.
const BEARER: &str = "nova.bearer.";
/// Largest frame and message that is read from a client.
const MOST_BYTES: usize = 4 * 1024;
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client of whom nothing was heard for so long, or who takes nothing for so long, is gone.
const GONE_AFTER: Duration = Duration::from_secs(40);
/// How long the last frames may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the client's own close is waited for.
const LINGER: Duration = Duration::from_secs(1);

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    protocols.flat_map(|value| value.split(',')).any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// Upgrades. A stream that is refused is refused by frames: a page can't see why an upgrade fails.
pub(crate) async fn answer(endpoint: Arc<Endpoint>, grpc: Router, limits: &Limits, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let id = identified(&mut parts);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(_) => {
            let fault = FieldViolation::new("upgrade", "must be a WebSocket handshake of version 13");
            return Problem::invalid(vec![fault]).during(&endpoint.domain, id).into_response();
        }
    };
    if let Some(token) = token(&parts.headers) {
        parts.headers.insert(AUTHORIZATION, token);
    }
    let messages = match endpoint.request(&mut parts, body, limits).await {
        Ok(message) => {
            let answer = call::send(grpc, &endpoint.uri, &parts, &message).await;
            Messages::of(answer).map_err(|status| Problem::of(&status))
        }
        Err(fault) => Err(fault),
    };
    let stream = Stream { endpoint, id: Arc::clone(&id) };
    let mut response = upgrade
        .protocols([PROTOCOL])
        .max_frame_size(MOST_BYTES)
        .max_message_size(MOST_BYTES)
        .read_buffer_size(MOST_BYTES)
        // Each frame goes out by itself, so nothing gathers.
        .write_buffer_size(0)
        .on_upgrade(move |socket| stream.serve(socket, messages));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The access token among the subprotocols, where no other is given.
fn token(headers: &HeaderMap) -> Option<HeaderValue> {
    if headers.contains_key(AUTHORIZATION) {
        return None;
    }
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let token =
        protocols.flat_map(|value| value.split(',')).find_map(|protocol| protocol.trim().strip_prefix(BEARER))?;
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

struct Stream {
    endpoint: Arc<Endpoint>,
    id: Arc<str>,
}

/// How a connection ends.
enum End {
    Over,
    Problem(Problem),
    /// The client has spoken.
    Unwanted,
    Gone,
}

impl Stream {
    async fn serve(self, mut socket: WebSocket, messages: Result<Messages, Problem>) {
        match messages {
            Ok(mut messages) => {
                let end = self.pass_on(&mut socket, &mut messages).await;
                self.say_goodbye(&mut socket, end).await;
                // Only now: a process that stops waits for its streams, and so for what their clients are told.
                drop(messages);
            }
            Err(problem) => self.say_goodbye(&mut socket, End::Problem(problem)).await,
        }
        let _ = timeout(LINGER, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }

    async fn pass_on(&self, socket: &mut WebSocket, messages: &mut Messages) -> End {
        let mut heard = Instant::now();
        let mut pings = interval_at(heard + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                message = messages.next() => match message.map(|message| message.and_then(|m| self.frame(m))) {
                    Some(Ok(frame)) => frame,
                    Some(Err(status)) => return End::Problem(Problem::of(&status)),
                    None => return End::Over,
                },
                received = socket.recv() => match received {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                        heard = Instant::now();
                        continue;
                    }
                    Some(Ok(Message::Close(_))) | None => return End::Gone,
                    // Too large a frame, or none at all, is no more wanted than a proper one.
                    Some(Ok(Message::Text(_) | Message::Binary(_)) | Err(_)) => return End::Unwanted,
                },
                _ = pings.tick() => {
                    if heard.elapsed() >= GONE_AFTER {
                        return End::Gone;
                    }
                    Message::Ping(Bytes::new())
                }
            };
            if !matches!(timeout(GONE_AFTER, socket.send(frame)).await, Ok(Ok(()))) {
                return End::Gone;
            }
        }
    }

    fn frame(&self, message: bytes::Bytes) -> Result<Message, Status> {
        let (_, json) = self.endpoint.answer(message)?;
        text(json)
    }

    async fn say_goodbye(&self, socket: &mut WebSocket, end: End) {
        let (last, code, reason) = match end {
            End::Gone => return,
            End::Over => (None, close_code::NORMAL, String::new()),
            End::Unwanted => (None, close_code::UNSUPPORTED, "nothing is to be said here".to_owned()),
            End::Problem(problem) => {
                let problem = problem.during(&self.endpoint.domain, Arc::clone(&self.id));
                let json = [b"{\"problem\":".as_slice(), &problem.json(), b"}"].concat();
                (text(json).ok(), code(problem.status()), problem.reason().to_owned())
            }
        };
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let said = async {
            for frame in last.into_iter().chain([close]) {
                socket.send(frame).await?;
            }
            Ok::<_, axum::Error>(())
        };
        let _ = timeout(FAREWELL, said).await;
    }
}

fn text(json: Vec<u8>) -> Result<Message, Status> {
    let text = Utf8Bytes::try_from(json).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Message::Text(text))
}

/// The close code for a problem: one's own codes begin at 4000; "going away" has been there before.
fn code(status: StatusCode) -> u16 {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => close_code::AWAY,
        status => 4000 + status.as_u16(),
    }
}
