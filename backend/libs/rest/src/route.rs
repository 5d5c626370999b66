//! Routes of a service, and how a call is answered.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use prost_reflect::DescriptorPool;

use crate::call;
use crate::conditions;
use crate::descriptors::{Fault, POOL, served};
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::meters::{Meters, UNROUTED};
use crate::problem::{Problem, REQUEST_ID};
use crate::{sse, websocket};

/// Routes of `service` (its full name), which `grpc` answers at `/{service}/{method}`.
///
/// They expect [`crate::gate()`] around them, which undoes content encodings and answers where there is no route.
///
/// # Errors
/// If the protos say what REST can't serve.
pub fn routes(service: &str, grpc: Router, limits: Limits) -> Result<Router, Fault> {
    routes_of(&POOL, service, grpc, limits)
}

/// The same with other descriptors than Nova's.
///
/// # Errors
/// As [`routes`].
pub fn routes_of(pool: &DescriptorPool, service: &str, grpc: Router, limits: Limits) -> Result<Router, Fault> {
    let mut router = Router::new();
    let mut taken = BTreeSet::new();
    LazyLock::force(&UNROUTED);
    for (method, rules) in served(pool, service)? {
        for rule in rules {
            let endpoint = Arc::new(Endpoint::new(&method, &rule)?);
            if !taken.insert((endpoint.pattern.clone(), endpoint.verb.to_string())) {
                return Err(Fault::Taken { rpc: method.full_name().to_owned(), path: rule.path });
            }
            let (pattern, filter) = (endpoint.pattern.clone(), filter(&endpoint.verb));
            let meters = Arc::new(Meters::of(service, endpoint.verb.as_str(), &rule.path, endpoint.stream.is_some()));
            let grpc = grpc.clone();
            let handler = move |request: Request<Body>| {
                let (endpoint, meters, grpc) = (Arc::clone(&endpoint), Arc::clone(&meters), grpc.clone());
                async move {
                    let begun = Instant::now();
                    let response = match endpoint.stream {
                        None => unary(&endpoint, grpc, &limits, request).await,
                        Some(_) if websocket::is_asked_for(request.headers()) => {
                            websocket::answer(endpoint, grpc, &limits, request).await
                        }
                        Some(_) => sse::answer(endpoint, grpc, &limits, request).await,
                    };
                    meters.record(begun, &response);
                    response
                }
            };
            router = router.route(&pattern, on(filter, handler));
        }
    }
    Ok(router)
}

fn filter(verb: &Method) -> MethodFilter {
    MethodFilter::try_from(verb.clone()).expect("rules have the five verbs of google.api.http")
}

async fn unary(endpoint: &Endpoint, grpc: Router, limits: &Limits, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let id = identified(&mut parts);
    let problem = |problem: Problem| problem.during(&endpoint.domain, Arc::clone(&id)).into_response();
    let message = match endpoint.request(&mut parts, body, limits).await {
        Ok(message) => message,
        Err(fault) => return problem(fault),
    };
    let answered = call::unary(call::send(grpc, &endpoint.uri, &parts, &message).await).await;
    match answered.and_then(|message| endpoint.answer(message)) {
        Ok((message, json)) => {
            let etag = endpoint.versioned.as_ref().and_then(|versioned| versioned.etag(&message, &json));
            success(&parts, json, etag, &id)
        }
        Err(status) => problem(Problem::of(&status)),
    }
}

/// The id of a request, with which the service goes on.
pub(crate) fn identified(parts: &mut Parts) -> Arc<str> {
    let id = rpc::request_id(&parts.headers);
    if let Ok(value) = HeaderValue::from_str(&id) {
        parts.headers.insert(REQUEST_ID, value);
    }
    id
}

fn success(parts: &Parts, json: Vec<u8>, etag: Option<HeaderValue>, id: &str) -> Response {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let known = reads && etag.as_ref().is_some_and(|etag| conditions::none_match(&parts.headers, etag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(json));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let headers = response.headers_mut();
    // What one person may read is nothing for others; what is kept is asked for again before it is used.
    let kept = if reads && etag.is_some() { "private, no-cache" } else { "no-store" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    if let Some(etag) = etag {
        headers.insert(ETAG, etag);
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
