//! gRPC-Web beside gRPC: what a browser sends is translated, everything else goes straight on.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use futures::future::Either;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use tonic_web::GrpcWebLayer;
use tower::Service;

/// Serves both.
#[derive(Clone)]
pub(crate) struct BothWays<S> {
    grpc: S,
    web: Router,
}

impl<S> BothWays<S> {
    /// `grpc` as it is, and `routes`, the same as routes, for browsers.
    pub fn new(grpc: S, routes: Router) -> Self {
        Self { grpc, web: routes.layer(GrpcWebLayer::new()) }
    }
}

impl<S> Service<Request<Body>> for BothWays<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.grpc.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web")) {
            Either::Right(Service::call(&mut self.web, request))
        } else {
            Either::Left(self.grpc.call(request))
        }
    }
}
