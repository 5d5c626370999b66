//! Three replicas of each service as processes, each service behind a balancer, and what Kubernetes does to replace one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::process::{Child, Command};

use super::balancer::Balancer;
use crate::chaos::roll;
use crate::nova::{free_port, is_ready, program};
use crate::users::Ports;

pub const SERVICES: [&str; 3] = ["auth", "user", "messaging"];
const REPLICAS: usize = 3;
/// From SIGTERM until no balancer sends new connections any more: at once on one node, a second or two on another.
const SLOWEST_TO_HEAR_MS: usize = 2000;
/// terminationGracePeriodSeconds.
const GRACE: Duration = Duration::from_secs(30);
/// periodSeconds of the readiness probe.
const PROBE_EVERY: Duration = Duration::from_millis(500);
const START_WITHIN: Duration = Duration::from_secs(60);

/// See the module.
pub struct Fleet {
    home: PathBuf,
    postgres: pgboot::Postgres,
    services: Vec<Service>,
    /// How long a replica goes on accepting.
    drain_delay: Duration,
}

struct Service {
    name: &'static str,
    grpc: Arc<Balancer>,
    http: Arc<Balancer>,
    replicas: Vec<Replica>,
}

struct Replica {
    grpc: u16,
    http: u16,
    process: Child,
}

impl Fleet {
    /// Starts everything and waits until all are ready.
    pub async fn start(drain_delay: Duration) -> anyhow::Result<Self> {
        let home = std::env::temp_dir().join(format!("nova-rolling-{}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        let options = pgboot::Options {
            settings: vec![("max_connections".to_owned(), "300".to_owned())],
            ..pgboot::Options::new(home.join("postgres"))
        };
        let postgres = pgboot::Postgres::start(&options).await?;
        let mut services = vec![];
        for name in SERVICES {
            let (grpc, http) = (Arc::new(Balancer::start().await?), Arc::new(Balancer::start().await?));
            services.push(Service { name, grpc, http, replicas: vec![] });
        }
        let mut fleet = Self { home, postgres, services, drain_delay };
        // One of each first: they make the databases.
        // One of each makes the databases, the others find them there.
        for count in [1, REPLICAS - 1] {
            for service in (0..SERVICES.len()).cycle().take(SERVICES.len() * count) {
                let replica = fleet.spawn(service)?;
                fleet.services[service].replicas.push(replica);
            }
            for service in 0..SERVICES.len() {
                let all = fleet.services[service].replicas.len();
                for replica in all - count..all {
                    fleet.join(service, replica).await?;
                }
            }
        }
        Ok(fleet)
    }

    /// Where the services are: their balancers.
    pub fn ports(&self) -> Ports {
        let [auth, user, messaging] = [0, 1, 2].map(|n: usize| &self.services[n]);
        let grpc = [auth, user, messaging].map(|service| service.grpc.port);
        Ports { grpc, http: [user.http.port, messaging.http.port] }
    }

    /// Connections that balancers could hand to nobody.
    pub fn missed(&self) -> usize {
        self.services.iter().map(|service| service.grpc.missed() + service.http.missed()).sum()
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> usize {
        self.services.iter().map(|service| service.replicas.len()).sum()
    }

    /// Replaces the `n`-th replica of all, as a rolling update without surge does: SIGTERM and the news that it is going set out
    /// at the same time; the next one begins when this one's successor is ready. Tells how long the old one took to end.
    pub async fn replace(&mut self, n: usize) -> anyhow::Result<Duration> {
        let (service, replica) = (n % SERVICES.len(), n / SERVICES.len() % REPLICAS);
        let old = &mut self.services[service].replicas[replica];
        let (grpc, http) = (old.grpc, old.http);
        let pid = old.process.id().context("it runs")?.to_string();
        let begun = Instant::now();
        for (balancer, port) in [(&self.services[service].grpc, grpc), (&self.services[service].http, http)] {
            let balancer = Arc::clone(balancer);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(roll(SLOWEST_TO_HEAR_MS) as u64)).await;
                balancer.remove(port);
            });
        }
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        let old = &mut self.services[service].replicas[replica];
        let name = SERVICES[service];
        let Ok(ended) = tokio::time::timeout(GRACE, old.process.wait()).await else {
            bail!("a {name} service did not end within its grace period of {GRACE:?}");
        };
        let ended = ended?;
        ensure!(ended.success(), "a {name} service ended with {ended}");
        let took = begun.elapsed();
        self.services[service].replicas[replica] = self.spawn(service)?;
        self.join(service, replica).await?;
        Ok(took)
    }

    /// Waits until a replica is ready, and lets it get connections.
    async fn join(&self, service: usize, replica: usize) -> anyhow::Result<()> {
        let (service, begun) = (&self.services[service], Instant::now());
        let replica = &service.replicas[replica];
        while !is_ready(replica.http).await {
            ensure!(begun.elapsed() < START_WITHIN, "a {} service is not ready after {START_WITHIN:?}", service.name);
            tokio::time::sleep(PROBE_EVERY).await;
        }
        service.grpc.add(replica.grpc);
        service.http.add(replica.http);
        Ok(())
    }

    fn spawn(&self, service: usize) -> anyhow::Result<Replica> {
        let (name, grpc, http) = (SERVICES[service], free_port()?, free_port()?);
        let section = name.to_uppercase();
        let key = |key: &str| format!("NOVA_{section}__{key}");
        let mut command = program(&format!("{name}-service"))?;
        command
            .env("NOVA_DATA_DIR", &self.home)
            .env("DATABASE_URL", self.postgres.url("postgres"))
            .env(key("LISTEN__HTTP_PORT"), http.to_string())
            .env(key("LISTEN__GRPC_PORT"), grpc.to_string())
            .env(key("LISTEN__DRAIN_DELAY"), format!("{}ms", self.drain_delay.as_millis()))
            .env(key("DATABASE__MAX_CONNECTIONS"), "8")
            .env_remove("KAFKA_BROKERS");
        for other in &self.services {
            let url = format!("{}_SERVICE_GRPC_URL", other.name.to_uppercase());
            command.env(url, format!("http://127.0.0.1:{}", other.grpc.port));
        }
        Ok(Replica { grpc, http, process: command.stderr(log(&self.home, name)?).spawn()? })
    }

    /// Stops everything and removes its folder.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for replica in self.services.iter_mut().flat_map(|service| &mut service.replicas) {
            replica.process.kill().await?;
        }
        self.postgres.stop().await?;
        std::fs::remove_dir_all(&self.home)?;
        Ok(())
    }
}

fn log(home: &Path, name: &str) -> anyhow::Result<std::fs::File> {
    Ok(std::fs::OpenOptions::new().create(true).append(true).open(home.join(format!("{name}.log")))?)
}
