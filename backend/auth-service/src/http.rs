//! What the HTTP port serves besides REST: the public keys.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use crate::app::App;

/// Routes of the HTTP port.
pub fn router(app: Arc<App>) -> Router {
    Router::new().route("/.well-known/jwks.json", get(jwks)).with_state(app)
}

/// A new key is published some seconds before it signs, so a copy must not be kept for long.
async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "public, max-age=5")], Json(app.jwks()))
}
