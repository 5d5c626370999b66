//! Starts a service: ports first, then readiness; everything that a gRPC service has is added here, the same for each.

use std::net::SocketAddr;
use std::sync::Arc;

use authn::{Access, AccessTable, Verifier};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use ids::UserId;
use limits::Limiter;
use serde_json::{Map, Value, json};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::Layer;
use traces::Tracer;

use crate::config::Listen;
use crate::grpc_web::BothWays;
use crate::listener::Port;
use crate::{GuardLayer, Lifecycle, Readiness, bind, health, listener, openmetrics, telemetry};

/// What services in one process share instead of asking each other over the network.
#[derive(Clone, Default)]
pub struct Wiring {
    /// Checks tokens; made and fed by the auth service. Absent: the service makes its own and follows the auth service.
    pub verifier: Option<Arc<Verifier>>,
    /// Called by the user service when it may have changed who may write to whom (one user, and maybe the other side).
    /// When it resolves, nothing is written any more because of what was known before.
    pub on_contact_change: Option<ContactHook>,
}

/// See [`Wiring::on_contact_change`].
pub type ContactHook = Arc<dyn Fn(UserId, Option<UserId>) -> BoxFuture<'static, ()> + Send + Sync>;

/// A service that is ready to be started.
pub struct Service {
    /// Short name, such as `user`; the configuration's section too.
    pub name: &'static str,
    /// Full name of the gRPC service, such as `nova.user.v1.UserService`.
    pub grpc_name: &'static str,
    /// Error domain, such as `user.nova`.
    pub domain: &'static str,
    /// Who may call what.
    pub access: AccessTable,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// Knows how many calls are taken from whom.
    pub limiter: Arc<Limiter>,
    /// The generated gRPC service.
    pub grpc: Routes,
    /// What the HTTP port serves besides the API, its description, `/livez`, `/readyz` and `/metrics`.
    pub http: Router,
    /// Resolves when everything that is needed has answered once.
    pub ready_after: BoxFuture<'static, ()>,
    /// Makes spans of its calls.
    pub tracer: Tracer,
    /// Writes gauges just before metrics are read.
    pub record_metrics: Arc<dyn Fn() + Send + Sync>,
}

/// A service that listens.
pub struct Running {
    /// Short name.
    pub name: &'static str,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where the platform's port is, if there is one.
    pub ops: Option<SocketAddr>,
    /// The guarded gRPC and gRPC-Web routes, for a front door that serves several services on one port.
    pub routes: Router,
    /// The HTTP routes that are this service's own, REST among them.
    pub http_routes: Router,
    /// What its part of an OpenAPI document is made of.
    pub described: rest::Described,
    /// Whether it can answer.
    pub readiness: Readiness,
}

impl Service {
    /// Listens on both ports and reports SERVING as soon as everything that is needed has answered.
    ///
    /// # Errors
    /// If a port can't be taken, or a file of TLS can't be used.
    pub async fn start(self, listen: &Listen, life: &Lifecycle) -> anyhow::Result<Running> {
        let key = |port: &str| format!("NOVA_{}__LISTEN__{port}", self.name.to_uppercase());
        let port =
            |kind: &str, listener, tls| Port { name: format!("{}-{kind}", self.name), listener, tls, doorway: None };
        let tls = certificates(listen, life)?;
        let grpc_port = port("grpc", bind(listen.grpc(), &key("GRPC_PORT")).await?, tls.clone());
        let http_port = port("http", bind(listen.http(), &key("HTTP_PORT")).await?, tls);
        let ops_port = match listen.ops {
            Some(address) => Some(port("ops", bind(address, &key("OPS")).await?, None)),
            None => None,
        };

        let verifier = Arc::clone(&self.verifier);
        let limiter = Arc::clone(&self.limiter);
        let guard = GuardLayer::new(self.grpc_name, self.domain, self.access, verifier, limiter, listen, life);
        let guard = guard.traced(self.tracer);
        let (readiness, health) = Readiness::new(self.grpc_name);
        let (direct, routes) = guarded(self.grpc, self.grpc_name, guard);
        let limits = rest::Limits { body_bytes: listen.max_request_bytes, body_time: listen.request_timeout };
        let http_routes = rest::routes(self.grpc_name, direct, limits)?.merge(self.http);
        let described = described(self.grpc_name, self.access);

        let (verifier, limiter, record_metrics) = (self.verifier, self.limiter, self.record_metrics);
        life.on_scrape(Arc::new(move || {
            verifier.record_metrics();
            limiter.record_metrics();
            record_metrics();
        }));
        let probes = probes(vec![(self.name, readiness.clone())]);
        let ops = match ops_port {
            Some(port) => {
                let routes = for_the_platform(health.clone(), probes.clone(), listen, life)?;
                let address = listener::serve(port, routes, listen, life)?;
                tracing::info!(service = self.name, "the platform's port is {address}");
                Some(address)
            }
            None => None,
        };
        let metrics = if ops.is_some() { Router::new() } else { metrics(life.clone()) };
        let http =
            probes.merge(metrics).merge(rest::docs(std::slice::from_ref(&described))?).merge(http_routes.clone());
        let grpc = routes.clone().merge(shared(health)?);
        let http = on_one_port(grpc.clone(), http, listen)?;
        let grpc = on_one_port(grpc, Router::new(), listen)?;
        let grpc = listener::serve(grpc_port, grpc, listen, life)?;
        let http = listener::serve(http_port, http, listen, life)?;
        tracing::info!(service = self.name, %grpc, %http, "{} service listens: gRPC {grpc}, HTTP {http}", self.name);

        watch_readiness(self.name, readiness.clone(), self.ready_after, life);
        life.spawn_droppable("metrics upkeep", telemetry::upkeep());
        Ok(Running { name: self.name, grpc, http, routes, http_routes, described, readiness, ops })
    }
}

/// Serves several services on one port: REST, gRPC, gRPC-Web, their other HTTP routes, health, reflection, and whatever else
/// the process shows. The services themselves come in by `doorway`; the platform has a port of its own with `ops`.
///
/// # Errors
/// If the reflection service can't be made, or a file of TLS can't be used.
pub fn front_door(
    listener: TcpListener,
    doorway: mpsc::Receiver<DuplexStream>,
    services: &[&Running],
    extra: Router,
    ops: Option<TcpListener>,
    listen: &Listen,
    life: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let parts: Vec<_> = services.iter().map(|service| service.readiness.clone()).collect();
    let health = health::combined(parts, life);
    let parts = services.iter().map(|service| (service.name, service.readiness.clone())).collect();
    let described: Vec<_> = services.iter().map(|service| service.described.clone()).collect();
    let probes = probes(parts);
    if let Some(listener) = ops {
        let port = Port { name: "front-door-ops".to_owned(), listener, tls: None, doorway: None };
        let routes = for_the_platform(health.clone(), probes.clone(), listen, life)?;
        let address = listener::serve(port, routes, listen, life)?;
        tracing::info!("the platform's port is {address}");
    }
    let mut grpc = shared(health)?;
    let mut http = probes.merge(rest::docs(&described)?).merge(extra);
    for service in services {
        grpc = grpc.merge(service.routes.clone());
        http = http.merge(service.http_routes.clone());
    }
    let tls = certificates(listen, life)?;
    let port = Port { name: "front-door".to_owned(), listener, tls, doorway: Some(doorway) };
    listener::serve(port, on_one_port(grpc, http, listen)?, listen, life)
}

/// What ports answer handshakes with, if they have TLS.
fn certificates(listen: &Listen, life: &Lifecycle) -> anyhow::Result<Option<tls::Server>> {
    Ok(listen.tls.files().map(|files| life.certificates().server(&files)).transpose()?)
}

/// Everything that a port serves. Only HTTP's routes pass HTTP's layers: gRPC has its own compression and errors.
fn on_one_port(grpc: Router, http: Router, listen: &Listen) -> anyhow::Result<Router> {
    let routes = grpc.merge(rest::gate(http)).fallback(rest::not_found);
    let origins =
        rest::Origins::parse(&listen.cors_origins).map_err(|origin| anyhow::anyhow!("{origin:?} is no origin"))?;
    Ok(match origins {
        Some(origins) => rest::cors(routes, origins),
        None => routes,
    })
}

/// Every path of a gRPC service goes through the guard, unknown methods too: as calls in this process make them, and as they
/// come over the network, where browsers speak gRPC-Web.
fn guarded(grpc: Routes, grpc_name: &'static str, guard: GuardLayer) -> (Router, Router) {
    let service = guard.layer(grpc.prepare().into_axum_router());
    let path = format!("/{grpc_name}/{{method}}");
    let direct = Router::new().route_service(&path, service.clone());
    let routes = Router::new().route_service(&path, BothWays::new(service, direct.clone()));
    (direct, routes)
}

fn described(grpc_name: &str, access: AccessTable) -> rest::Described {
    let public = access.iter().filter(|(_, access)| *access == Access::Public);
    rest::Described { service: grpc_name.to_owned(), public: public.map(|(rpc, _)| (*rpc).to_owned()).collect() }
}

/// What every gRPC port has besides its service: health, and reflection over every descriptor, those of rich error details
/// among them.
fn shared(health: HealthServer<impl Health>) -> anyhow::Result<Router> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(protos::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::new(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .into_axum_router())
}

/// `/livez` and `/readyz`; who wants JSON of the latter learns which service is ready.
fn probes(parts: Vec<(&'static str, Readiness)>) -> Router {
    let ready = move |headers: HeaderMap| async move {
        let services: Map<String, Value> =
            parts.iter().map(|(name, part)| ((*name).to_owned(), part.is_ready().into())).collect();
        let is_ready = services.values().all(|ready| ready == true);
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let wants_json = headers.get(ACCEPT).is_some_and(|kinds| kinds.as_bytes().starts_with(b"application/json"));
        if wants_json {
            return (status, Json(json!({ "ready": is_ready, "services": services }))).into_response();
        }
        (status, if is_ready { "ready\n" } else { "not ready\n" }).into_response()
    };
    Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(ready))
}

/// What a port for the platform serves: health, `/livez`, `/readyz` and `/metrics`.
fn for_the_platform(
    health: HealthServer<impl Health>,
    probes: Router,
    listen: &Listen,
    life: &Lifecycle,
) -> anyhow::Result<Router> {
    on_one_port(Routes::new(health).into_axum_router(), probes.merge(metrics(life.clone())), listen)
}

/// `/metrics`, for a port of the platform or a service's own HTTP port only: they are no business of who comes through the front
/// door.
fn metrics(life: Lifecycle) -> Router {
    let render = move |headers: HeaderMap| async move { openmetrics::answer(&headers, life.scrape()) };
    Router::new().route("/metrics", get(render))
}

fn watch_readiness(name: &'static str, readiness: Readiness, ready_after: BoxFuture<'static, ()>, life: &Lifecycle) {
    let draining = life.draining().clone();
    life.spawn_droppable("readiness", async move {
        readiness.set(false).await;
        if draining.run_until_cancelled(ready_after).await.is_some() {
            readiness.set(true).await;
            tracing::info!(service = name, "{name} service is ready");
        }
        draining.cancelled().await;
        readiness.set(false).await;
        std::future::pending::<()>().await;
    });
}
