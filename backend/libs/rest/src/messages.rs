//! The messages of a server stream, one after the other, as its reader asks for them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use http_body::Body as _;
use tonic::Status;

use crate::call::{PREFIX, refusal};

/// No message is larger: what gRPC clients read by default.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// See the module. What has been taken from the service and not by the reader is at most one message and what came with it.
pub(crate) struct Messages {
    body: Body,
    buffer: BytesMut,
    is_over: bool,
}

impl Messages {
    /// The messages of an answer, or why there are none.
    pub fn of(response: Response<Body>) -> Result<Self, Status> {
        let (parts, body) = response.into_parts();
        match refusal(&parts.headers) {
            Some(status) => Err(status),
            // A status among the headers: nothing follows.
            None => {
                let is_over = parts.headers.contains_key(Status::GRPC_STATUS);
                Ok(Self { body, buffer: BytesMut::new(), is_over })
            }
        }
    }

    /// The next message, the failure that ends the stream, or nothing after its end. May be dropped and asked for again.
    pub async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let read = ready!(self.poll_read(cx));
        self.is_over = !matches!(read, Some(Ok(_)));
        Poll::Ready(read)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            if let Some(message) = self.whole().transpose() {
                return Poll::Ready(Some(message));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(Status::internal(error.to_string())))),
                None => return Poll::Ready(Some(Err(Status::internal("a stream without a status")))),
            };
            let frame = match frame.into_data() {
                Ok(data) => {
                    self.buffer.extend_from_slice(&data);
                    continue;
                }
                Err(frame) => frame,
            };
            let Ok(trailers) = frame.into_trailers() else { continue };
            return Poll::Ready(match refusal(&trailers) {
                Some(status) => Some(Err(status)),
                None if !trailers.contains_key(Status::GRPC_STATUS) => {
                    Some(Err(Status::internal("a stream without a status")))
                }
                None if !self.buffer.is_empty() => Some(Err(Status::internal("a stream that ends within a message"))),
                None => None,
            });
        }
    }

    /// The first message of what has been read, if all of it has.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(mut prefix) = self.buffer.get(..PREFIX) else { return Ok(None) };
        if prefix.get_u8() != 0 {
            return Err(Status::internal("a message that is compressed, which was not asked for"));
        }
        let length = prefix.get_u32() as usize;
        if length > MOST_BYTES {
            return Err(Status::internal(format!("a message of {length} bytes")));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}
