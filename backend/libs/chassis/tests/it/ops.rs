//! The port for the platform: plaintext beside ports with TLS, health and metrics, and nothing of the API.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use chassis::config::Listen;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rpc::{Dial, Peer};
use testkit::{Certificates, eventually};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::source::{SERVICE, World};
use crate::tls::{listen, start};

const PATIENCE: Duration = Duration::from_secs(10);

async fn get(at: SocketAddr, path: &str) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let request = Request::get(format!("http://{at}{path}")).body(Body::empty()).expect("a request");
    let answer = client.request(request).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn with_ops(listen: Listen) -> Listen {
    Listen { ops: Some("127.0.0.1:0".parse().expect("an address")), ..listen }
}

#[tokio::test]
async fn probes_and_metrics_need_no_tls_where_the_api_has_it() {
    let (world, certificates) = (World::new(), Certificates::new());
    let running = start(&world, &with_ops(listen(&certificates)), axum::Router::new()).await;
    let ops = running.ops.expect("a port for the platform");

    let url = format!("http://{ops}");
    let channel = Peer { url, dial: Dial::Plain, timeout: PATIENCE }.channel().expect("a channel");
    for service in ["", SERVICE] {
        eventually("the service says that it serves", PATIENCE, || async {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = HealthClient::new(channel.clone()).check(request).await.expect("an answer").into_inner();
            (answer.status() == ServingStatus::Serving).then_some(())
        })
        .await;
    }
    assert_eq!(get(ops, "/livez").await, (StatusCode::OK, "alive\n".to_owned()));
    assert_eq!(get(ops, "/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    let (status, metrics) = get(ops, "/metrics").await;
    assert!(status == StatusCode::OK && metrics.contains("nova_connections_open{port=\"messaging-ops\"}"), "{metrics}");

    // Nothing else.
    for path in ["/openapi.json", "/explorer", "/api/v1/events", &format!("/{SERVICE}/GetMessage")] {
        assert_eq!(get(ops, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn metrics_are_on_one_port_alone() {
    let world = World::new();
    let running = start(&world, &Listen::on(0, 0), axum::Router::new()).await;
    assert_eq!(running.ops, None);
    assert_eq!(get(running.http, "/metrics").await.0, StatusCode::OK);

    let world = World::new();
    let running = start(&world, &with_ops(Listen::on(0, 0)), axum::Router::new()).await;
    assert_eq!(get(running.http, "/metrics").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(running.http, "/livez").await.0, StatusCode::OK);
    assert_eq!(get(running.ops.expect("a port"), "/metrics").await.0, StatusCode::OK);
}
