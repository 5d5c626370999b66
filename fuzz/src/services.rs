//! Nova's three services behind their guards, with a database that can't be reached: what a request comes to before the first SQL.

use std::sync::Arc;
use std::time::Duration;

use auth_service::app::{self as auth, Audit, Keyring, Profiles};
use auth_service::mail::Outbox;
use auth_service::model::audit_chain::AuditKey;
use authn::AccessTable;
use axum::Router;
use axum::body::Body;
use broadcast::Broadcast;
use bytes::Bytes;
use chassis::config::Listen;
use chassis::{GuardLayer, Lifecycle};
use chrono::DateTime;
use clock::Clock;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;
use ids::UserId;
use limits::Limiter;
use messaging_service::app::contact_view::ContactView;
use messaging_service::app::contacts::Contacts;
use messaging_service::grpc::Messaging;
use pg::{Pool, PoolConfig};
use protos::auth::v1::auth_service_server::AuthServiceServer;
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::user_service_server::UserServiceServer;
use rpc::{Bounds, Credentials, Dial, Peer, PeerChannel};
use sealing::{MasterKey, RootKey};
use testkit::Tokens;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt};

/// Who calls, as seeds say it.
pub const CALLERS: [&str; 4] = ["nobody", "person", "admin", "service"];

/// Whose the tokens of people are, so that seeds can name the caller.
const CALLER_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// See the module.
pub struct Services {
    app: Router,
    tokens: [Option<HeaderValue>; 4],
    _life: Lifecycle,
}

impl Services {
    /// The services.
    ///
    /// # Panics
    /// If they can't be put together.
    pub fn new() -> Self {
        let _here = crate::enter();
        let (clock, _hands) = Clock::mock(DateTime::from_timestamp(1_790_000_000, 0).expect("a time"));
        let life = Lifecycle::new(clock.clone());
        let tokens = Tokens::new(clock.clone());
        let guarded = |name, domain, access, routes| guard(name, domain, access, routes, &tokens, &life);
        let app = Router::new()
            .merge(guarded(
                "nova.auth.v1.AuthService",
                auth_service::DOMAIN,
                auth_service::grpc::ACCESS,
                auth(&clock, &tokens),
            ))
            .merge(guarded("nova.user.v1.UserService", user_service::DOMAIN, user_service::grpc::ACCESS, user(&clock)))
            .merge(guarded(
                messaging_service::grpc::NAME,
                messaging_service::DOMAIN,
                messaging_service::grpc::ACCESS,
                messaging(&clock),
            ));
        let user = UserId::parse(CALLER_ID).expect("an id");
        let header = |token: String| Some(HeaderValue::try_from(format!("Bearer {token}")).expect("a token is text"));
        let tokens = [None, header(tokens.person(user)), header(tokens.admin(user)), header(tokens.service("user"))];
        Self { app, tokens, _life: life }
    }

    /// Calls an RPC (`nova.user.v1.UserService/FollowUser`) by one frame, as one of [`CALLERS`]; how it ended.
    ///
    /// # Panics
    /// If the answer is none of gRPC's.
    pub async fn call(&self, rpc: &str, caller: usize, frame: Bytes) -> Code {
        let mut request = Request::post(format!("/{rpc}")).body(Body::from(frame)).expect("a request");
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        if let Some(token) = &self.tokens[caller] {
            headers.insert("authorization", token.clone());
        }
        let Ok(response) = self.app.clone().oneshot(request).await;
        let status = |headers: &HeaderMap| Status::from_header_map(headers).map(|status| status.code());
        if let Some(code) = status(response.headers()) {
            return code;
        }
        let body = response.into_body().collect().await.expect("an answer has an end");
        body.trailers().and_then(status).expect("a call ends with a status")
    }
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}

fn guard(
    name: &'static str,
    domain: &'static str,
    access: AccessTable,
    routes: Routes,
    tokens: &Tokens,
    life: &Lifecycle,
) -> Router {
    let limiter = Arc::new(Limiter::off());
    let guard = GuardLayer::new(name, domain, access, tokens.verifier(), limiter, &Listen::default(), life);
    let service = guard.layer(routes.prepare().into_axum_router());
    Router::new().route_service(&format!("/{name}/{{method}}"), service)
}

fn master() -> MasterKey {
    MasterKey::from_base64(&MasterKey::generate_base64()).expect("a key")
}

/// A pool for a database that nobody serves.
fn nowhere() -> Pool {
    let short = Duration::from_secs(1);
    let config = PoolConfig {
        url: "postgres://nobody@localhost/nothing?host=/nonexistent".to_owned(),
        application_name: "fuzz".to_owned(),
        max_connections: 1,
        acquire_timeout: short,
        connect_timeout: short,
        statement_timeout: short,
        lock_timeout: short,
        pgbouncer: false,
        plans_by_index: false,
    };
    Pool::new(config).expect("the address can be read")
}

/// A channel to a service that nobody serves.
fn nobody() -> PeerChannel {
    let (url, timeout) = ("http://127.0.0.1:1".to_owned(), Duration::from_secs(1));
    let peer = Peer { url, dial: Dial::Plain, timeout };
    let credentials = Credentials::local(|| Ok(("fuzz".to_owned(), Duration::from_secs(60))));
    peer.open("nobody", &Bounds::default()).expect("the address can be read").with(credentials)
}

fn auth(clock: &Clock, tokens: &Tokens) -> Routes {
    let config = auth_service::Config::default();
    let master = Arc::new(master());
    let sealed = AuditKey::generate_sealed(&master).expect("it can be sealed");
    let audit_key = AuditKey::open(&master, &sealed).expect("it can be opened");
    let (mails, _outbox) = Outbox::try_new(&config.mail).expect("mails are only logged");
    let batch = config.max_batch;
    let parts = auth::Parts {
        pg: nowhere(),
        clock: clock.clone(),
        master: Arc::clone(&master),
        verifier: tokens.verifier(),
        limiter: Arc::new(Limiter::off()),
        keyring: Arc::new(Keyring::new(master, config.tokens.clone())),
        audit: Arc::new(Audit::new(nowhere(), clock.clone(), audit_key)),
        mails,
        profiles: Profiles::new(nobody(), nobody(), Duration::from_secs(1)),
        holders: auth::Holders::new(nobody(), nobody()),
        config,
    };
    let app = Arc::new(auth::App::try_new(parts).expect("the defaults are valid"));
    Routes::new(AuthServiceServer::new(auth_service::grpc::Server::new(app, clock.clone(), batch)))
}

fn user(clock: &Clock) -> Routes {
    use user_service::app::{App, Batches};
    use user_service::peers::{Accounts, Contacts};
    let (config, metrics) = (user_service::Config::default(), user_service::metrics::Metrics::register());
    let app = App {
        pool: nowhere(),
        clock: clock.clone(),
        accounts: Accounts::new(nobody(), metrics.clone()),
        contacts: Contacts::by_call(nobody(), metrics.clone()),
        paging: config.paging.limits(),
        batches: Batches { profiles: config.max_batch, contacts: config.max_contacts },
        metrics,
    };
    Routes::new(UserServiceServer::new(user_service::grpc::Server::new(Arc::new(app))))
}

fn messaging(clock: &Clock) -> Routes {
    let config = messaging_service::Config::default();
    let contacts = Contacts::new(
        ContactView::new(config.contact.terms()),
        UserServiceClient::new(nobody()),
        config.contact.timeout,
    );
    let (app, _workers) = messaging_service::app::App::new(
        nowhere(),
        nowhere(),
        clock.clone(),
        config.limits.model(),
        config.pages(),
        contacts,
        config.send.shape(),
        Arc::new(Vault::new(RootKey::from_key(master()), nowhere(), nowhere(), clock.clone())),
        config.streams.terms(),
        Broadcast::off(),
    );
    Routes::new(Messaging::service(Arc::new(app), config.listen.max_request_bytes))
}
