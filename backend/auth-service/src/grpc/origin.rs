//! Where calls come from, for the audit log.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use chassis::PeerAddress;
use http::header::USER_AGENT;
use tonic::service::Routes;

use crate::app::audit;
use crate::model::audit::Origin;

/// The same routes, whose calls know where they come from.
pub fn with_origin(routes: Routes) -> Routes {
    Routes::from(routes.into_axum_router().layer(from_fn(answer)))
}

async fn answer(request: Request, next: Next) -> Response {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The guard has given the call its name; where there is no guard there is none.
    let request_id = rpc::current().map_or_else(|| "".into(), |context| context.request_id);
    let origin = Origin::new(PeerAddress::of(request.extensions()), user_agent, request_id);
    audit::scope(origin, next.run(request)).await
}
