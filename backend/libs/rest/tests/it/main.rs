//! REST in front of a service that remembers what it was asked, and in front of a real one. One binary, one file a subject.

#![expect(clippy::unwrap_used, reason = "a test that meets an unexpected error is to fail")]

mod binding;
mod bodies;
mod conditions;
mod contract;
mod document;
mod encodings;
mod fake;
mod herd;
mod hostile;
mod lines;
mod problems;
mod real;
mod sse;
mod websocket;
