//! Three services in this process that behave as three processes do.

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::config::{Listen, Secret, SecretName, Secrets, ServiceConfig};
use chassis::{Lifecycle, Running, Wiring};
use clock::Clock;
use testkit::TestDatabase;
use tokio::sync::{Mutex, watch};

use crate::relay::Relay;
use crate::{Link, ServiceName};

/// 32 zero bytes; nothing that is tested here lies in a database for long.
const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// What services prove themselves to the auth service with.
pub(crate) const SERVICE_SECRET: &str = "a secret of the test harness";

/// See the module.
pub(crate) struct OwnServices {
    /// One for each service.
    pub databases: [TestDatabase; 3],
    relays: [Relay; 3],
    addresses: watch::Sender<[SocketAddr; 3]>,
    running: Mutex<Vec<Process>>,
    /// What tokens are signed with; empty: a key that the auth service makes.
    signing_key_pem: String,
}

/// As much of a service as has an own life.
struct Process {
    life: Lifecycle,
    running: Running,
}

impl OwnServices {
    pub(crate) async fn boot(signing_key_pem: String) -> anyhow::Result<Arc<Self>> {
        let databases = [
            TestDatabase::new(&auth_service::MIGRATOR).await,
            TestDatabase::new(&user_service::MIGRATOR).await,
            TestDatabase::new(&messaging_service::MIGRATOR).await,
        ];
        let relays = [Relay::start().await?, Relay::start().await?, Relay::start().await?];
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = watch::Sender::new([nowhere; 3]);
        let own = Arc::new(Self { databases, relays, addresses, running: Mutex::default(), signing_key_pem });
        own.start_all().await?;
        Ok(own)
    }

    /// Stops all services as SIGTERM does and starts them again on the same databases.
    pub(crate) async fn restart(&self) -> anyhow::Result<()> {
        for process in self.running.lock().await.drain(..) {
            process.life.stop().await;
        }
        self.start_all().await
    }

    async fn start_all(&self) -> anyhow::Result<()> {
        for service in ServiceName::ALL {
            let process = self.start(service).await?;
            let address = process.running.grpc;
            self.relays[service.index()].point_at(address);
            self.addresses.send_modify(|addresses| addresses[service.index()] = address);
            self.running.lock().await.push(process);
        }
        for process in self.running.lock().await.iter() {
            process.running.readiness.ready().await;
        }
        Ok(())
    }

    /// Starts one more messaging service on the same database, of which the user service knows nothing.
    pub(crate) async fn messaging_replica(&self) -> anyhow::Result<SocketAddr> {
        let process = self.start(ServiceName::Messaging).await?;
        process.running.readiness.ready().await;
        let address = process.running.grpc;
        self.running.lock().await.push(process);
        Ok(address)
    }

    /// Where a service's HTTP port is.
    pub(crate) async fn http(&self, service: ServiceName) -> Option<SocketAddr> {
        let running = self.running.lock().await;
        running.iter().find(|process| process.running.name == service.name()).map(|process| process.running.http)
    }

    /// Where a service listens now, read at the moment of connecting.
    pub(crate) fn address(&self, service: ServiceName) -> impl Fn() -> SocketAddr + Clone + Send + 'static {
        let addresses = self.addresses.subscribe();
        move || addresses.borrow()[service.index()]
    }

    /// Cuts a service off from its peers, or lets them through again; clients reach it all the same.
    pub(crate) fn set_link(&self, service: ServiceName, link: Link) {
        self.relays[service.index()].set(link);
    }

    async fn start(&self, service: ServiceName) -> anyhow::Result<Process> {
        let life = Lifecycle::new(Clock::system());
        let peer = |service: ServiceName| format!("http://{}", self.relays[service.index()].address);
        let [auth, user, messaging] = ServiceName::ALL.map(peer);
        let database = self.databases[service.index()].section();
        let listen = Listen::on(0, 0);
        let running = match service {
            ServiceName::Auth => {
                let mut config = auth_service::Config { listen, database, ..auth_service::Config::default() };
                config.peers.user_url = user;
                config.tokens.private_key_pem = self.signing_key_pem.as_str().into();
                // Tests register hundreds of people; how passwords are hashed is tested in the auth service.
                (config.password.memory_kib, config.password.iterations) = (1024, 1);
                config.fill_secrets(&mut Known);
                auth_service::start(config, life.clone(), Wiring::default()).await?
            }
            ServiceName::User => {
                let mut config = user_service::Config { listen, database, ..user_service::Config::default() };
                (config.peers.auth_url, config.peers.messaging_url) = (auth, messaging);
                config.fill_secrets(&mut Known);
                user_service::start(config, life.clone(), Wiring::default()).await?
            }
            ServiceName::Messaging => {
                let mut config = messaging_service::Config { listen, database, ..messaging_service::Config::default() };
                (config.peers.auth_url, config.peers.user_url) = (auth, user);
                config.fill_secrets(&mut Known);
                messaging_service::start(config, life.clone(), Wiring::default()).await?
            }
        };
        Ok(Process { life, running })
    }
}

/// The secrets of this installation.
struct Known;

impl Secrets for Known {
    fn get(&mut self, _: &str, name: SecretName) -> Secret {
        match name {
            SecretName::MasterKey => MASTER_KEY.into(),
            SecretName::ServiceSecret => SERVICE_SECRET.into(),
        }
    }
}
