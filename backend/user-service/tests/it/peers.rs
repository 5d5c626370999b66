//! The auth and messaging services as the user service sees them: gRPC servers that answer from memory, and may be down.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use clock::rfc3339;
use ids::UserId;
use protos::auth::v1 as auth;
use protos::messaging::v1 as messaging;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use tower::{Service, service_fn};

/// Both peers on one port.
#[derive(Clone, Default)]
pub struct Peers(Arc<State>);

#[derive(Default)]
struct State {
    accounts: Mutex<HashMap<String, auth::User>>,
    lookups: AtomicUsize,
    auth_is_down: AtomicBool,
    auth_takes: AtomicUsize,
    messaging_is_down: AtomicBool,
    invalidated: Mutex<Vec<(String, String)>>,
}

impl Peers {
    /// Serves on a free port.
    pub async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let routes = axum::Router::new().fallback_service(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }

    /// Adds an account.
    pub fn add(&self, id: UserId, username: &str, created_at: chrono::DateTime<chrono::Utc>) {
        let user = auth::User {
            id: id.to_string(),
            username: username.to_owned(),
            email: format!("{username}@example.org"),
            active: true,
            created_at: rfc3339(created_at),
            updated_at: rfc3339(created_at),
            ..auth::User::default()
        };
        self.0.accounts.lock().unwrap().insert(user.id.clone(), user);
    }

    /// Lets the auth service answer UNAVAILABLE, or answer again.
    pub fn set_auth_down(&self, is_down: bool) {
        self.0.auth_is_down.store(is_down, Ordering::SeqCst);
    }

    /// Lets the auth service take only so many ids in one call.
    pub fn set_auth_takes(&self, ids: usize) {
        self.0.auth_takes.store(ids, Ordering::SeqCst);
    }

    /// Lets the messaging service answer UNAVAILABLE, or answer again.
    pub fn set_messaging_down(&self, is_down: bool) {
        self.0.messaging_is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often accounts were asked for.
    pub fn lookups(&self) -> usize {
        self.0.lookups.load(Ordering::SeqCst)
    }

    /// The contacts that the messaging service was told of since it was last asked.
    pub fn take_invalidated(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.invalidated.lock().unwrap())
    }

    fn users(&self, request: &auth::GetUsersByIdsRequest) -> Result<auth::GetUsersByIdsResponse, Status> {
        self.0.lookups.fetch_add(1, Ordering::SeqCst);
        if self.0.auth_is_down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        assert!(request.user_ids.len() <= 100, "the auth service need not take more");
        let takes = self.0.auth_takes.load(Ordering::SeqCst);
        if takes > 0 && request.user_ids.len() > takes {
            return Err(Status::invalid_argument("user_ids: too many"));
        }
        let accounts = self.0.accounts.lock().unwrap();
        let found = request.user_ids.iter().filter_map(|id| Some((id.clone(), accounts.get(id)?.clone())));
        Ok(auth::GetUsersByIdsResponse { users: found.collect() })
    }

    fn invalidate(
        &self,
        request: messaging::InvalidateContactRequest,
    ) -> Result<messaging::InvalidateContactResponse, Status> {
        if self.0.messaging_is_down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        self.0.invalidated.lock().unwrap().push((request.user_id_1, request.user_id_2));
        Ok(messaging::InvalidateContactResponse {})
    }
}

impl Service<http::Request<axum::body::Body>> for Peers {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
        let peers = self.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            Ok(match path.as_str() {
                "/nova.auth.v1.AuthService/IssueServiceToken" => {
                    answer(request, |_: auth::IssueServiceTokenRequest| {
                        Ok(auth::IssueServiceTokenResponse { access_token: "token".to_owned(), expires_in: 900 })
                    })
                    .await
                }
                "/nova.auth.v1.AuthService/GetUsersByIds" => answer(request, move |r| peers.users(&r)).await,
                "/nova.messaging.v1.MessagingService/InvalidateContact" => {
                    answer(request, move |r| peers.invalidate(r)).await
                }
                _ => Status::unimplemented(path).into_http(),
            })
        })
    }
}

async fn answer<Q, A>(
    request: http::Request<axum::body::Body>,
    call: impl Fn(Q) -> Result<A, Status> + Clone + Send + 'static,
) -> http::Response<Body>
where
    Q: Default + Send + Sync + 'static + prost::Message,
    A: Default + Send + Sync + 'static + prost::Message,
{
    let codec = tonic_prost::ProstCodec::<A, Q>::default();
    let service = service_fn(move |request: Request<Q>| {
        let answered = call(request.into_inner()).map(Response::new);
        async move { answered }
    });
    tonic::server::Grpc::new(codec).unary(service, request).await
}
