//! `/openapi.json`, and a page that lists its operations and calls them.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};

use crate::descriptors::Fault;
use crate::openapi::{Described, document};

/// Nothing but what this server sends.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE: &str = include_str!("../assets/explorer.html");
const SCRIPT: &str = include_str!("../assets/explorer.js");
const STYLE: &str = include_str!("../assets/explorer.css");

/// The document of these services, and the page over it.
///
/// # Errors
/// If the protos say what REST can't serve.
pub fn docs(services: &[Described]) -> Result<Router, Fault> {
    let document = Bytes::from(document(services)?.to_string());
    let text = |kind: &'static str, text: &'static str| {
        get(move || async move {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(kind)),
                (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
                (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
                (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            ];
            (headers, text)
        })
    };
    let json = get(move || async move {
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
        (headers, document).into_response()
    });
    Ok(Router::new()
        .route("/openapi.json", json)
        .route("/explorer", text("text/html; charset=utf-8", PAGE))
        .route("/explorer/explorer.js", text("text/javascript; charset=utf-8", SCRIPT))
        .route("/explorer/explorer.css", text("text/css; charset=utf-8", STYLE)))
}
