//! Whether a service can answer: `grpc.health.v1`, `/livez`, `/readyz`.

use metrics::{Gauge, describe_gauge, gauge};
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use crate::Lifecycle;

/// Starts as not ready; turns ready once everything that is needed has answered once, and back when the process drains.
///
/// A database that goes away later does not change it: every replica would be taken out of service at once, where
/// UNAVAILABLE for the calls that need the database, and recovery by themselves, is what clients can live with.
#[derive(Clone)]
pub struct Readiness {
    ready: watch::Sender<bool>,
    reporter: HealthReporter,
    gauge: Gauge,
    service: &'static str,
}

impl Readiness {
    /// Readiness of a gRPC service, by its full name, and the health service that tells of it.
    pub(crate) fn new(service: &'static str) -> (Self, HealthServer<impl Health>) {
        let (reporter, health) = tonic_health::server::health_reporter();
        describe_gauge!("nova_ready", "1 while the service can answer, else 0");
        let gauge = gauge!("nova_ready", "service" => service);
        (Self { ready: watch::Sender::new(false), reporter, gauge, service }, health)
    }

    /// Whether the service is ready.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until the service is ready.
    pub async fn ready(&self) {
        // The sender lives in self, so waiting can't fail.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Turns the service to ready or back, in its own health service.
    pub(crate) async fn set(&self, ready: bool) {
        tell(&self.reporter, self.service, ready).await;
        tell(&self.reporter, "", ready).await;
        self.gauge.set(f64::from(u8::from(ready)));
        self.ready.send_replace(ready);
    }
}

/// The health of several services behind one port: each by its name, and all together by the empty name.
pub(crate) fn combined(parts: Vec<Readiness>, life: &Lifecycle) -> HealthServer<impl Health> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for part in parts.clone() {
        let (reporter, parts) = (reporter.clone(), parts.clone());
        life.spawn_droppable("front door health", async move {
            let mut changes = part.ready.subscribe();
            loop {
                let ready = *changes.borrow_and_update();
                tell(&reporter, part.service, ready).await;
                tell(&reporter, "", parts.iter().all(Readiness::is_ready)).await;
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
    }
    health
}

async fn tell(reporter: &HealthReporter, service: &str, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status(service, status).await;
}
