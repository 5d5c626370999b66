//! Three services in this process that behave as three processes do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chassis::config::{
    Database, Events, Listen, ListenTls, PeersTls, Secret, SecretName, Secrets, ServiceConfig, Traces,
};
use chassis::{Lifecycle, Running, Wiring};
use clock::Clock;
use testkit::{Certificates, TestDatabase};
use tls::ClientFiles;
use tokio::sync::{Mutex, watch};

use crate::relay::Relay;
use crate::{Link, ServiceName};

/// 32 zero bytes; nothing that is tested here lies in a database for long.
pub(crate) const MASTER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// What services prove themselves to the auth service with.
pub const SERVICE_SECRET: &str = "a secret of the test harness";

/// See the module.
pub(crate) struct OwnServices {
    /// One for each service.
    pub databases: [TestDatabase; 3],
    /// Of people's keys.
    keys: TestDatabase,
    /// Of the event log.
    events: TestDatabase,
    relays: [Relay; 3],
    addresses: watch::Sender<[SocketAddr; 3]>,
    running: Mutex<Vec<Process>>,
    terms: Terms,
}

/// How services are to be.
#[derive(Default)]
pub(crate) struct Terms {
    /// What tokens are signed with; empty: a key that the auth service makes.
    pub signing_key_pem: String,
    /// TLS on every port and between services; none: plaintext.
    pub tls: Option<Tls>,
    /// What is recorded, and who is told.
    pub traces: Traces,
}

/// A certificate and a key for each service.
pub(crate) struct Tls {
    authority: Certificates,
    files: [(PathBuf, PathBuf); 3],
}

impl Tls {
    pub(crate) fn new() -> Self {
        let authority = Certificates::new();
        // Addresses are not in there, so it is by their names that services know each other.
        let files = ServiceName::ALL.map(|service| authority.issue(&[&certificate_name(service)]));
        Self { authority, files }
    }

    /// What the services' authority is believed by, and with which somebody calls as `who`, or as nobody.
    pub(crate) fn client_files(&self, who: Option<ServiceName>) -> ClientFiles {
        ClientFiles { ca: self.authority.ca(), identity: who.map(|who| self.files[who.index()].clone()) }
    }

    /// A service that believes the others' certificates, and shows its own.
    fn sections(&self, service: ServiceName) -> (ListenTls, PeersTls) {
        let (certificate, key) = self.files[service.index()].clone();
        let ca = self.authority.ca();
        let peers = PeersTls { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() };
        let service_names = ServiceName::ALL.map(certificate_name).to_vec();
        (ListenTls { certificate, key, client_ca: ca, service_names, ..ListenTls::default() }, peers)
    }
}

/// The name in a service's certificate.
pub(crate) fn certificate_name(service: ServiceName) -> String {
    format!("{}-service", service.name())
}

/// As much of a service as has an own life.
struct Process {
    life: Lifecycle,
    running: Running,
}

impl OwnServices {
    pub(crate) async fn boot(terms: Terms) -> anyhow::Result<Arc<Self>> {
        let databases = [
            TestDatabase::new(&auth_service::MIGRATOR).await,
            TestDatabase::new(&user_service::MIGRATOR).await,
            TestDatabase::new(&messaging_service::MIGRATOR).await,
        ];
        let keys = TestDatabase::new(&messaging_service::KEYS_MIGRATOR).await;
        let events = TestDatabase::new(&events::LOG_MIGRATOR).await;
        let relays = [Relay::start().await?, Relay::start().await?, Relay::start().await?];
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses = watch::Sender::new([nowhere; 3]);
        let own = Arc::new(Self { databases, keys, events, relays, addresses, running: Mutex::default(), terms });
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

    /// The certificates, if there is TLS.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.terms.tls.as_ref()
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
        let tls = self.terms.tls.as_ref();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let peer = |service: ServiceName| format!("{scheme}://{}", self.relays[service.index()].address);
        let [auth, user, messaging] = ServiceName::ALL.map(peer);
        let database = self.databases[service.index()].section();
        let (listen_tls, peers_tls) = tls.map(|tls| tls.sections(service)).unwrap_or_default();
        let names = ServiceName::ALL.map(|service| tls.map_or(String::new(), |_| certificate_name(service)));
        let [auth_name, user_name, messaging_name] = names;
        let listen = Listen { tls: listen_tls, ..Listen::on(0, 0) };
        let log = Database { max_connections: 4, ..self.events.section() };
        let bus = Events { database: log, ..Events::default() };
        let traces = self.terms.traces.clone();
        // Limits are tested in the services; here is done at once what people do in a day.
        let running = match service {
            ServiceName::Auth => {
                let mut config =
                    auth_service::Config { listen, database, events: bus, traces, ..auth_service::Config::default() };
                (config.peers.user_url, config.peers.user_name, config.peers.tls) = (user, user_name, peers_tls);
                (config.peers.messaging_url, config.peers.messaging_name) = (messaging, messaging_name);
                config.tokens.private_key_pem = self.terms.signing_key_pem.as_str().into();
                // Tests register hundreds of people; how passwords are hashed is tested in the auth service.
                (config.password.memory_kib, config.password.iterations) = (1024, 1);
                config.rate_limits.enabled = false;
                config.fill_secrets(&mut Known);
                auth_service::start(config, life.clone(), Wiring::default()).await?
            }
            ServiceName::User => {
                let mut config =
                    user_service::Config { listen, database, events: bus, traces, ..user_service::Config::default() };
                (config.peers.auth_url, config.peers.messaging_url) = (auth, messaging);
                (config.peers.auth_name, config.peers.messaging_name) = (auth_name, messaging_name);
                config.peers.tls = peers_tls;
                config.rate_limits.enabled = false;
                config.fill_secrets(&mut Known);
                user_service::start(config, life.clone(), Wiring::default()).await?
            }
            ServiceName::Messaging => {
                let mut config =
                    messaging_service::Config { listen, database, events: bus, traces, ..Default::default() };
                config.keys = self.keys.section();
                (config.peers.auth_url, config.peers.user_url) = (auth, user);
                (config.peers.auth_name, config.peers.user_name, config.peers.tls) = (auth_name, user_name, peers_tls);
                config.rate_limits.enabled = false;
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

    fn other_master_keys(&mut self) -> Vec<Secret> {
        vec![]
    }
}
