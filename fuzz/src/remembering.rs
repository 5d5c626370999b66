//! A gRPC service that remembers what it was asked and answers with nothing, with REST in front of it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tower::{ServiceExt, service_fn};

/// A call that has come through.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The RPC.
    pub rpc: MethodDescriptor,
    /// What came along.
    pub headers: HeaderMap,
    /// What was asked.
    pub request: DynamicMessage,
}

/// See the module.
pub struct Remembering {
    app: Router,
    pool: DescriptorPool,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl Remembering {
    /// REST of all three services.
    ///
    /// # Panics
    /// If the protos can't be served.
    pub fn new() -> Self {
        let pool = DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the build has checked them");
        let seen = Arc::<Mutex<Option<Seen>>>::default();
        let (known, memory) = (pool.clone(), Arc::clone(&seen));
        let grpc = Router::new().fallback_service(service_fn(move |request: Request<Body>| {
            let (known, memory) = (known.clone(), Arc::clone(&memory));
            async move { Ok::<_, Infallible>(answer(&known, request, &memory).await) }
        }));
        let mut routes = Router::new();
        for service in pool.services().filter(|service| service.full_name().starts_with("nova.")) {
            let served = rest::routes(service.full_name(), grpc.clone(), rest::Limits::default());
            routes = routes.merge(served.expect("the rules are valid"));
        }
        Self { app: rest::gate(routes).fallback(rest::not_found), pool, seen }
    }

    /// Everything in the protos.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// Sends a request; the answer, and what has come through, if anything has.
    pub async fn ask(&self, request: Request<Body>) -> (Response<Bytes>, Option<Seen>) {
        let Ok(response) = self.app.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("answers are whole").to_bytes();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        (Response::from_parts(parts, body), seen)
    }
}

impl Default for Remembering {
    fn default() -> Self {
        Self::new()
    }
}

async fn answer(pool: &DescriptorPool, request: Request<Body>, seen: &Mutex<Option<Seen>>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (service, name) = parts.uri.path().trim_start_matches('/').split_once('/').expect("a gRPC path");
    let service = pool.get_service_by_name(service).expect("a service of Nova");
    let rpc = service.methods().find(|method| method.name() == name).expect("an RPC of the service");
    let mut frame = body.collect().await.expect("a body").to_bytes();
    assert_eq!(frame.get_u8(), 0, "not compressed");
    assert_eq!(frame.get_u32() as usize, frame.len(), "one whole message");
    let request = DynamicMessage::decode(rpc.input(), frame).expect("REST makes proper messages");
    let is_stream = rpc.is_server_streaming();
    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { rpc, headers: parts.headers, request });
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let empty: &[u8] = if is_stream { &[] } else { &[0; 5] };
    Response::new(Body::new(Full::new(Bytes::from_static(empty)).with_trailers(async { Some(Ok(trailers)) })))
}
