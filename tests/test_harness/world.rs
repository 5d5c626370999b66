//! Where a test runs: three services, booted here or provided.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use auth_service::model::{Role, Username};
use chassis::config::Traces;
use clock::Clock;
use ids::SessionId;
use protos::auth::v1::{IssueServiceTokenRequest, LoginRequest, RegisterRequest};
use sealing::{MasterKey, MasterKeys};
use testkit::TestDatabase;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::channels::{channel, tls_channel};
use crate::grpc_helpers::{CallAs, Clients, Journal, unexpected};
use crate::own::{MASTER_KEY, OwnServices, SERVICE_SECRET, Terms, Tls};
use crate::{GrpcConfig, GrpcTestError, Link, Outcome, Person, ServiceName};

/// How long a boot, a restart or a health check may take.
pub const START_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone)]
enum Services {
    Provided(GrpcConfig),
    Own(Arc<OwnServices>),
}

/// Three running services, and everything a test did to them. A test that fails prints its last calls' request ids.
pub struct World {
    services: Services,
    channels: [Channel; 3],
    timeout: Duration,
    journal: Journal,
}

/// Outlives each test's runtime, and with it the services that all tests of a process share.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime can be made")
});
static SHARED: OnceCell<Arc<OwnServices>> = OnceCell::const_new();

impl World {
    /// Services to test with: provided ones if `SERVICES_RUNNING=true`, else those that this process boots once for all its
    /// tests.
    ///
    /// # Panics
    /// If they can't be reached or started; the message says why.
    pub async fn start() -> Self {
        if GrpcConfig::services_running() {
            return Self::attach().await.unwrap_or_else(|error| panic!("SERVICES_RUNNING=true, but {error}"));
        }
        let shared = SHARED.get_or_try_init(|| async {
            RUNTIME.spawn(OwnServices::boot(Terms::default())).await.map_err(anyhow::Error::new)?
        });
        let own = shared.await.unwrap_or_else(|error| panic!("the services do not start: {error:#}"));
        Self::on(Services::Own(Arc::clone(own)))
    }

    /// Services of this test's own, wherever the others run: for tests that stop, cut off or replicate them.
    ///
    /// # Panics
    /// If they can't be started; the message says why.
    pub async fn own() -> Self {
        Self::own_by(Terms::default()).await
    }

    /// The same, with a key in PEM that the test knows; tokens are signed with it.
    ///
    /// # Panics
    /// If they can't be started; the message says why.
    pub async fn own_signing_with(signing_key_pem: String) -> Self {
        Self::own_by(Terms { signing_key_pem, ..Terms::default() }).await
    }

    /// The same with TLS on every port, and services that know each other by their certificates.
    ///
    /// # Panics
    /// If they can't be started; the message says why.
    pub async fn own_with_tls() -> Self {
        Self::own_by(Terms { tls: Some(Tls::new()), ..Terms::default() }).await
    }

    /// The same, which record as `traces` says.
    ///
    /// # Panics
    /// If they can't be started; the message says why.
    pub async fn own_traced(traces: Traces) -> Self {
        Self::own_by(Terms { traces, ..Terms::default() }).await
    }

    async fn own_by(terms: Terms) -> Self {
        let own = match tokio::time::timeout(START_WITHIN, OwnServices::boot(terms)).await {
            Ok(Ok(own)) => own,
            Ok(Err(error)) => panic!("the services do not start: {error:#}"),
            Err(_) => panic!("the services do not start within {START_WITHIN:?}"),
        };
        Self::on(Services::Own(own))
    }

    async fn attach() -> Outcome<Self> {
        let config = GrpcConfig::from_env()?;
        let mut channels = vec![];
        for service in ServiceName::ALL {
            channels.push(config.connect(service).await?);
        }
        let channels = channels.try_into().expect("three services have three channels");
        let timeout = config.request_timeout;
        let world = Self { services: Services::Provided(config), channels, timeout, journal: Journal::new() };
        for service in ServiceName::ALL {
            world.await_serving(service).await?;
        }
        Ok(world)
    }

    fn on(services: Services) -> Self {
        let Services::Own(own) = &services else { unreachable!("provided services are attached to") };
        let channels = ServiceName::ALL.map(|service| match own.tls() {
            None => channel(own.address(service)),
            Some(tls) => tls_channel(own.address(service)(), service, tls, None),
        });
        Self { services, channels, timeout: Duration::from_secs(10), journal: Journal::new() }
    }

    /// Whether somebody else runs the services.
    pub fn is_provided(&self) -> bool {
        matches!(self.services, Services::Provided(_))
    }

    /// After this long a block holds on every replica: at once where the user service tells the only messaging service,
    /// within a second where there may be others.
    pub fn block_holds_within(&self) -> Duration {
        if self.is_provided() { Duration::from_secs(1) } else { Duration::ZERO }
    }

    /// A channel to a service.
    pub fn channel(&self, service: ServiceName) -> Channel {
        self.channels[service.index()].clone()
    }

    /// A channel over TLS to a service of a world that has it, from who has the certificate of service `who`, or none.
    ///
    /// # Panics
    /// If the world has no TLS.
    pub fn channel_of(&self, who: Option<ServiceName>, service: ServiceName) -> Channel {
        let Services::Own(own) = &self.services else {
            unreachable!("only a world of its own has certificates to give")
        };
        tls_channel(own.address(service)(), service, own.tls().expect("a world with TLS"), who)
    }

    /// Where a service listens, for clients that speak HTTP/2 themselves.
    ///
    /// # Errors
    /// If a provided address is no `host:port`, or can't be looked up.
    pub async fn address(&self, service: ServiceName) -> Outcome<SocketAddr> {
        let config = match &self.services {
            Services::Own(own) => return Ok(own.address(service)()),
            Services::Provided(config) => config,
        };
        let uri: http::Uri =
            config.url(service).parse().map_err(|e| unexpected(format!("{}: {e}", config.url(service))))?;
        let port = uri.port_u16().unwrap_or(80);
        let mut found = tokio::net::lookup_host((uri.host().unwrap_or_default(), port))
            .await
            .map_err(|e| unexpected(format!("{uri} can't be looked up: {e}")))?;
        found.next().ok_or_else(|| unexpected(format!("{uri} has no address")))
    }

    /// Where a service speaks HTTP: `http://host:port`. Of provided services the variables `AUTH_SERVICE_HTTP_URL`,
    /// `USER_SERVICE_HTTP_URL` and `MESSAGING_SERVICE_HTTP_URL` tell, or the usual ports of this machine are taken.
    ///
    /// # Errors
    /// If the service does not run.
    pub async fn http(&self, service: ServiceName) -> Outcome<String> {
        match &self.services {
            Services::Own(own) => {
                let address = own.http(service).await.ok_or_else(|| unexpected(format!("{service:?} does not run")))?;
                Ok(format!("http://{address}"))
            }
            Services::Provided(_) => {
                let (variable, port) = match service {
                    ServiceName::Auth => ("AUTH_SERVICE_HTTP_URL", 8080),
                    ServiceName::User => ("USER_SERVICE_HTTP_URL", 8081),
                    ServiceName::Messaging => ("MESSAGING_SERVICE_HTTP_URL", 8085),
                };
                let set = std::env::var(variable).ok().filter(|url| !url.is_empty());
                Ok(set.unwrap_or_else(|| format!("http://127.0.0.1:{port}")))
            }
        }
    }

    /// The calls made so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Clients that call with this token; with an empty one, as nobody.
    pub fn clients(&self, token: &str) -> Clients {
        Clients::new(self.channels.clone(), &CallAs::new(token, self.timeout, self.journal.clone()))
    }

    /// Clients without a token.
    pub fn nobody(&self) -> Clients {
        self.clients("")
    }

    /// Registers somebody with a user name of their own that begins with `name`.
    ///
    /// # Errors
    /// If Register is refused.
    pub async fn person(&self, name: &str) -> Outcome<Person> {
        let username = unique(name);
        let (email, password) = (format!("{username}@example.org"), format!("password of {username}"));
        let request = RegisterRequest {
            username: username.clone(),
            email: email.clone(),
            password: password.clone(),
            display_name: Some(name.to_owned()),
        };
        let answer = self.nobody().auth.register(request).await?.into_inner();
        let (user, tokens) =
            answer.user.zip(answer.tokens).ok_or_else(|| unexpected("Register answered without a user"))?;
        if user.username != username || user.email != email {
            return Err(unexpected(format!("{username} was registered as {} <{}>", user.username, user.email)));
        }
        let clients = self.clients(&tokens.access_token);
        Ok(Person { id: user.id, username, email, password, tokens, clients })
    }

    /// Registers several people.
    ///
    /// # Errors
    /// If Register is refused.
    pub async fn people<const N: usize>(&self, names: [&str; N]) -> Outcome<[Person; N]> {
        let people = futures::future::try_join_all(names.map(|name| self.person(name))).await?;
        Ok(people.try_into().unwrap_or_else(|_| unreachable!("one for each name")))
    }

    /// Registers `n` people.
    ///
    /// # Errors
    /// If Register is refused.
    pub async fn crowd(&self, n: usize) -> Outcome<Vec<Person>> {
        futures::future::try_join_all((0..n).map(|_| self.person("p"))).await
    }

    /// The same person, calling through this world's channels.
    pub fn seen_from_here(&self, person: &Person) -> Person {
        Person { clients: self.clients(&person.tokens.access_token), ..person.clone() }
    }

    /// The status that a service's health check tells, of the service or, with an empty name, of all.
    ///
    /// # Errors
    /// If health can't be asked.
    pub async fn health(&self, service: ServiceName, name: &str) -> Outcome<ServingStatus> {
        let mut request = tonic::Request::new(HealthCheckRequest { service: name.to_owned() });
        request.set_timeout(self.timeout);
        Ok(HealthClient::new(self.channel(service)).check(request).await?.into_inner().status())
    }

    async fn await_serving(&self, service: ServiceName) -> Outcome {
        let serving = async {
            while !matches!(self.health(service, service.grpc()).await, Ok(ServingStatus::Serving)) {
                tokio::time::sleep(Duration::from_millis(20)).await; // a poll, not a wait for a time
            }
        };
        let what = || format!("waiting until the {} service is SERVING", service.name());
        tokio::time::timeout(START_WITHIN, serving)
            .await
            .map_err(|_| GrpcTestError::TimedOut { what: what(), after: START_WITHIN })
    }

    /// Stops all services as SIGTERM does, and starts them again on the same databases.
    ///
    /// # Errors
    /// [`GrpcTestError::Refused`] for provided services.
    pub async fn restart(&self) -> Outcome {
        self.controlled("restart the services")?.restart().await.map_err(failed)?;
        for service in ServiceName::ALL {
            self.await_serving(service).await?;
        }
        Ok(())
    }

    /// The same world seen through a second messaging service on the same database.
    ///
    /// # Errors
    /// [`GrpcTestError::Refused`] for provided services.
    pub async fn with_messaging_replica(&self) -> Outcome<Self> {
        let own = self.controlled("start another messaging service")?;
        let address = own.messaging_replica().await.map_err(failed)?;
        let mut channels = self.channels.clone();
        channels[ServiceName::Messaging.index()] = channel(move || address);
        Ok(Self { services: self.services.clone(), channels, timeout: self.timeout, journal: self.journal.clone() })
    }

    /// Cuts a service off from the other services, or lets them through again. Clients reach it all the same.
    ///
    /// # Errors
    /// [`GrpcTestError::Refused`] for provided services.
    pub fn set_link(&self, service: ServiceName, link: Link) -> Outcome {
        self.controlled("cut services off from each other")?.set_link(service, link);
        Ok(())
    }

    /// A service's database.
    ///
    /// # Errors
    /// [`GrpcTestError::Refused`] for provided services.
    pub fn database(&self, service: ServiceName) -> Outcome<&TestDatabase> {
        Ok(&self.controlled("open a service's database")?.databases[service.index()])
    }

    /// An access token of one of Nova's own services.
    ///
    /// # Errors
    /// [`GrpcTestError::Refused`] for provided services.
    pub async fn service_token(&self, client_id: &str) -> Outcome<String> {
        self.controlled("know the services' secrets")?;
        let request =
            IssueServiceTokenRequest { client_id: client_id.to_owned(), client_secret: SERVICE_SECRET.to_owned() };
        Ok(self.nobody().auth.issue_service_token(request).await?.into_inner().access_token)
    }

    /// Registers somebody and makes them an administrator, as `nova admin grant-role` does.
    ///
    /// # Errors
    /// [`GrpcTestError::Refused`] for provided services: only their operator makes administrators.
    pub async fn administrator(&self) -> Outcome<Person> {
        let person = self.person("admin").await?;
        let mut database = self.database(ServiceName::Auth)?.connect().await;
        let username = Username::parse(&person.username).map_err(|e| unexpected(e.to_string()))?;
        let master = MasterKey::from_base64(MASTER_KEY).map_err(|e| unexpected(e.to_string()))?;
        let master = MasterKeys::new(master, vec![]);
        auth_service::admin::grant_role(&mut database, &master, &username, Role::Admin, Clock::system().now())
            .await
            .map_err(|e| unexpected(e.to_string()))?;
        // The role is in tokens from now on.
        let login =
            LoginRequest { identifier: person.email.clone(), password: person.password.clone(), ..Default::default() };
        let tokens = self.nobody().auth.login(login).await?.into_inner().tokens;
        let tokens = tokens.ok_or_else(|| unexpected("Login answered without tokens"))?;
        Ok(Person { clients: self.clients(&tokens.access_token), tokens, ..person })
    }

    fn controlled(&self, what: &str) -> Outcome<&OwnServices> {
        match &self.services {
            Services::Own(own) => Ok(own),
            Services::Provided(_) => Err(GrpcTestError::Refused(format!(
                "can't {what}: somebody else runs them (SERVICES_RUNNING=true); use World::own() in this test"
            ))),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.journal);
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_provided() { "provided services" } else { "services of this process" })
    }
}

fn failed(error: anyhow::Error) -> GrpcTestError {
    unexpected(format!("{error:#}"))
}

/// A name that nobody has, 3 to 32 characters long.
fn unique(name: &str) -> String {
    let id = SessionId::generate(Clock::system().now()).uuid().simple().to_string();
    format!("{}_{}", name.chars().take(15).collect::<String>(), &id[16..])
}
