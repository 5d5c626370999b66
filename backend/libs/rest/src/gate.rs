//! What stands around HTTP routes: content encodings, cross-origin rules, and answers where there is no route.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use errors::common;
use http::header::{self, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;

use crate::meters::UNROUTED;
use crate::problem::{NO_SERVICE, Problem, REQUEST_ID};

/// Answers below this many bytes are not worth their compression.
const WORTH_COMPRESSING: u64 = 1024;
/// What gRPC and gRPC-Web call themselves, as far as it is spoken here.
const GRPC_KINDS: [&str; 6] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];
/// How long a browser may remember what another origin may do.
const PREFLIGHT_HOLDS: std::time::Duration = std::time::Duration::from_secs(3600);

/// Puts gzip and zstd, in both directions, around HTTP routes, and refuses other verbs than theirs with a problem document.
pub fn gate(routes: Router) -> Router {
    let worth_it = DefaultPredicate::new().and(SizeAbove::new(WORTH_COMPRESSING));
    routes
        .method_not_allowed_fallback(method_not_allowed)
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth_it))
        .layer(map_response(async |mut response: Response| {
            response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }))
}

async fn method_not_allowed(request: Request) -> Problem {
    UNROUTED.increment(1);
    let detail = format!("{} does not know {}", crate::query::shown(request.uri().path()), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail).at(rpc::request_id(request.headers()))
}

/// Answers where there is no route, in the language of who asks: gRPC's, or a problem document.
pub async fn not_found(request: Request) -> Response {
    UNROUTED.increment(1);
    let id = rpc::request_id(request.headers());
    if let Some(kind) = request.headers().get(CONTENT_TYPE).and_then(grpc_kind) {
        return no_rpc(kind, &id);
    }
    let mut response = Problem::no_route(request.uri().path()).at(id).into_response();
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The kind of gRPC that a request speaks; never more of its own words than that.
fn grpc_kind(kind: &HeaderValue) -> Option<&'static str> {
    let essence = kind.to_str().ok()?.split(';').next()?.trim();
    GRPC_KINDS.into_iter().find(|known| essence.eq_ignore_ascii_case(known))
}

fn no_rpc(kind: &'static str, id: &Arc<str>) -> Response {
    let details = ErrorDetails::with_error_info(common::UNIMPLEMENTED, NO_SERVICE, []);
    let status = Status::with_error_details(Code::Unimplemented, "there is no such service", details);
    let mut response = status.into_http::<Body>();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Pages of which origins may call.
#[derive(Clone, Debug)]
pub struct Origins(AllowOrigin);

impl Origins {
    /// Reads `*` or addresses such as `https://app.example.org`; none for an empty list.
    ///
    /// # Errors
    /// The first that is no origin.
    pub fn parse(origins: &[String]) -> Result<Option<Self>, String> {
        if origins.iter().any(|origin| origin == "*") {
            return if origins.len() == 1 { Ok(Some(Self(AllowOrigin::any()))) } else { Err("*".to_owned()) };
        }
        let mut read = vec![];
        for origin in origins {
            let uri: Uri = origin.parse().map_err(|_| origin.clone())?;
            let plain = uri
                .authority()
                .is_some_and(|authority| format!("{}://{authority}", uri.scheme_str().unwrap_or_default()) == *origin);
            if !plain {
                return Err(origin.clone());
            }
            read.push(HeaderValue::from_str(origin).map_err(|_| origin.clone())?);
        }
        Ok((!read.is_empty()).then(|| Self(AllowOrigin::list(read))))
    }
}

/// Lets pages of these origins call `routes`: REST and gRPC-Web, with tokens but without cookies.
pub fn cors(routes: Router, origins: Origins) -> Router {
    let named = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let asks = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
    let asks = asks.into_iter().chain(named(&[
        "grpc-timeout",
        "idempotency-key",
        "last-event-id",
        "traceparent",
        "tracestate",
        "x-grpc-web",
        "x-request-id",
        "x-user-agent",
    ]));
    let shows = [header::ETAG, header::RETRY_AFTER].into_iter().chain(named(&[
        "grpc-message",
        "grpc-status",
        "grpc-status-details-bin",
        "x-request-id",
    ]));
    let layer = CorsLayer::new()
        .allow_origin(origins.0)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(asks.collect::<Vec<_>>())
        .expose_headers(shows.collect::<Vec<_>>())
        .max_age(PREFLIGHT_HOLDS);
    routes.layer(layer)
}
