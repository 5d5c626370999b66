//! REST made from the protos: every RPC with a `google.api.http` rule becomes a route that sends the call, in process, to the
//! gRPC service behind its guard. Identity, deadlines, overload, metrics and errors exist once; here is only their other spelling.
//!
//! What a start can do is done at the start: [`routes`] reads the descriptors, a call reads none.

mod body;
mod call;
mod conditions;
mod descriptors;
mod endpoint;
mod explorer;
mod fields;
mod form;
mod gate;
mod json;
mod limits;
mod messages;
mod meters;
mod openapi;
mod problem;
mod query;
mod route;
mod shape;
mod sse;
mod typescript;
mod websocket;

pub use descriptors::{Fault, server_streams};
pub use explorer::docs;
pub use gate::{Origins, cors, gate, not_found};
pub use json::json;
pub use limits::Limits;
pub use openapi::{Described, document};
pub use problem::Problem;
pub use route::{routes, routes_of};
pub use typescript::typescript;
