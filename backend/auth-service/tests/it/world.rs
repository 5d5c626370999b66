//! A running auth service and the people in it.

use std::sync::Arc;
use std::time::Duration;

use auth_service::Config;
use auth_service::admin;
use auth_service::model::{Role, Username};
use authn::Algorithm;
use chassis::config::Secret;
use chassis::{Lifecycle, Running, Wiring};
use chrono::{DateTime, Utc};
use clock::{Clock, MockClock};
use protos::auth::v1 as pb;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use sealing::MasterKeys;
use testkit::{As, Authorized, TestDatabase, channel, eventually, mock_clock};
use tonic::transport::Channel;

use crate::peers::{FakeMailServer, FakeUserService};

/// A client that calls as somebody.
pub type Client = AuthServiceClient<Authorized>;

/// Password of everybody here.
pub const PASSWORD: &str = "correct horse battery";
/// Secret of the service client `user`.
pub const CLIENT_SECRET: &str = "a secret of the user service";
const MASTER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A running service with everything around it.
pub struct World {
    pub database: TestDatabase,
    pub clock: Clock,
    pub hands: MockClock,
    pub users: FakeUserService,
    pub mail: FakeMailServer,
    pub config: Config,
    pub running: Running,
    life: Lifecycle,
}

/// Somebody who is logged in.
pub struct Person {
    pub id: String,
    pub username: String,
    pub tokens: pb::Tokens,
    pub client: Client,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let (clock, hands) = mock_clock();
        let database = TestDatabase::new(&auth_service::MIGRATOR).await;
        let (users, users_at) = FakeUserService::start().await;
        let (mail, mail_at) = FakeMailServer::start().await;
        let mut config = Config::default();
        config.listen.http_port = 0;
        config.listen.grpc_port = 0;
        config.master_key = Secret::from(MASTER_KEY);
        config.database = database.section();
        config.peers.user_url = format!("http://{users_at}");
        config.peers.messaging_url.clone_from(&config.peers.user_url);
        config.mail.smtp_url = Secret::from(format!("smtp://{mail_at}"));
        config.tokens.algorithm = Algorithm::EdDSA;
        config.tokens.poll_interval = Duration::from_millis(50);
        config.password.memory_kib = 1024;
        config.password.iterations = 1;
        // Limits have tests of their own; the others do at once what people do in a day.
        config.rate_limits.enabled = false;
        config.service_clients.insert("user".to_owned(), Secret::from(CLIENT_SECRET));
        change(&mut config);
        let (life, running) = serve(&config, &clock).await;
        Self { database, clock, hands, users, mail, config, running, life }
    }

    /// Stops the service and starts another on the same database.
    pub async fn restart(&mut self) {
        self.life.stop().await;
        (self.life, self.running) = serve(&self.config, &self.clock).await;
    }

    /// A second replica on the same database.
    pub async fn replica(&self) -> Replica {
        self.replica_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn replica_with(&self, change: impl FnOnce(&mut Config)) -> Replica {
        let mut config = self.config.clone();
        change(&mut config);
        let (life, running) = serve(&config, &self.clock).await;
        Replica { running, _life: life }
    }

    pub fn channel(&self) -> Channel {
        channel(self.running.grpc)
    }

    /// A client that calls with this token.
    pub fn with(&self, token: &str) -> Client {
        AuthServiceClient::new(As::token(token).on(self.channel()))
    }

    /// A client that calls without a token.
    pub fn nobody(&self) -> Client {
        AuthServiceClient::new(As::nobody().on(self.channel()))
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub async fn register(&self, username: &str) -> Person {
        let answer = self.nobody().register(registration(username)).await.expect("registered").into_inner();
        self.person(answer.user.expect("user"), answer.tokens.expect("tokens"))
    }

    pub async fn login(&self, username: &str) -> Person {
        let answer = self.nobody().login(credentials(username, PASSWORD)).await.expect("logged in").into_inner();
        self.person(answer.user.expect("user"), answer.tokens.expect("tokens"))
    }

    fn person(&self, user: pb::User, tokens: pb::Tokens) -> Person {
        let client = self.with(&tokens.access_token);
        Person { id: user.id, username: user.username, tokens, client }
    }

    /// An administrator.
    pub async fn admin(&self, username: &str) -> Person {
        self.register(username).await;
        let mut conn = self.database.connect().await;
        let name = Username::parse(username).expect("a name");
        admin::grant_role(&mut conn, &master(), &name, Role::Admin, self.now()).await.expect("granted");
        self.login(username).await
    }

    /// One of Nova's own services.
    pub async fn service(&self) -> Client {
        let request = pb::IssueServiceTokenRequest { client_id: "user".into(), client_secret: CLIENT_SECRET.into() };
        let answer = self.nobody().issue_service_token(request).await.expect("issued").into_inner();
        self.with(&answer.access_token)
    }

    /// Waits for the `n`th mail and takes the token out of it.
    pub async fn token_of_mail(&self, n: usize) -> String {
        let mail = eventually("a mail", Duration::from_secs(10), async || self.mail.mails().get(n - 1).cloned()).await;
        let token = mail.split("enter this token: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        token.unwrap_or_else(|| panic!("no token in {mail}")).to_owned()
    }
}

/// Another process of the service.
pub struct Replica {
    pub running: Running,
    _life: Lifecycle,
}

impl Replica {
    pub fn nobody(&self) -> Client {
        AuthServiceClient::new(As::nobody().on(channel(self.running.grpc)))
    }

    pub fn with(&self, token: &str) -> Client {
        AuthServiceClient::new(As::token(token).on(channel(self.running.grpc)))
    }
}

/// The keys that the root key of the test's database is wrapped with.
pub fn master() -> MasterKeys {
    MasterKeys::from_base64(MASTER_KEY, []).expect("a key")
}

async fn serve(config: &Config, clock: &Clock) -> (Lifecycle, Running) {
    let life = Lifecycle::new(clock.clone());
    let running = auth_service::start(config.clone(), life.clone(), Wiring::default()).await.expect("started");
    running.readiness.ready().await;
    (life, running)
}

pub fn registration(username: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        username: username.to_owned(),
        email: email(username),
        password: PASSWORD.to_owned(),
        display_name: None,
    }
}

pub fn email(username: &str) -> String {
    format!("{username}@example.org")
}

pub fn credentials(identifier: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest {
        identifier: identifier.to_owned(),
        password: password.to_owned(),
        totp_code: None,
        device_name: None,
    }
}

pub fn refresh(token: &str) -> pb::RefreshTokenRequest {
    pb::RefreshTokenRequest { refresh_token: token.to_owned() }
}

impl Person {
    pub async fn me(&self) -> Result<pb::User, tonic::Status> {
        let request = pb::GetUserRequest { user_id: self.id.clone() };
        Ok(self.client.clone().get_user(request).await?.into_inner().user.expect("user"))
    }
}

/// Runs as many calls at once.
pub async fn at_once<T, F>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let go = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|i| {
            let (go, call) = (Arc::clone(&go), call(i));
            tokio::spawn(async move {
                go.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = vec![];
    for task in tasks {
        answers.push(task.await.expect("no panic"));
    }
    answers
}
