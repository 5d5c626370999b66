//! What the front door shows besides the services themselves.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// The start page: says what this is and where to go on.
pub fn routes() -> Router {
    Router::new().route("/", get(|| async { Html(PAGE) }))
}

const PAGE: &str = include_str!("front_door.html");
