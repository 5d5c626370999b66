//! A user service and the part of an auth service that messaging calls, both of which do as they are told.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::Request;
use axum::routing::post;
use futures::future::BoxFuture;
use ids::UserId;
use protos::auth::v1::{
    GetTokenStateRequest, GetTokenStateResponse, IssueServiceTokenRequest, IssueServiceTokenResponse,
};
use protos::user::v1::contact::Verdict;
use protos::user::v1::{CheckContactRequest, CheckContactResponse, Contact};
use testkit::Tokens;
use tokio::sync::Semaphore;
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

/// Tells what the fake user service answers.
#[derive(Clone)]
pub struct FakeUsers(Arc<State>);

struct State {
    token: String,
    token_state: GetTokenStateResponse,
    blocks: Mutex<HashSet<(UserId, UserId)>>,
    verdicts: Mutex<HashMap<UserId, Verdict>>,
    is_down: AtomicBool,
    is_refusing: AtomicBool,
    questions: AtomicUsize,
    /// Each answer takes a permit on its way out.
    permits: Semaphore,
}

impl FakeUsers {
    /// Starts it; its auth service stands behind `tokens`.
    pub async fn start(tokens: &Tokens) -> (Self, SocketAddr) {
        let users = Self(Arc::new(State {
            token: tokens.service("messaging-service"),
            token_state: tokens.state(),
            blocks: Mutex::default(),
            verdicts: Mutex::default(),
            is_down: AtomicBool::new(false),
            is_refusing: AtomicBool::new(false),
            questions: AtomicUsize::new(0),
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
        }));
        let (asked, issuer, keeper) = (users.clone(), users.clone(), users.clone());
        let router = Router::new()
            .route(
                "/nova.user.v1.UserService/CheckContact",
                post(move |request: Request<axum::body::Body>| {
                    let users = asked.clone();
                    async move { tonic::server::Grpc::new(codec()).unary(CheckContact(users), request).await }
                }),
            )
            .route(
                "/nova.auth.v1.AuthService/IssueServiceToken",
                post(move |request: Request<axum::body::Body>| {
                    let users = issuer.clone();
                    async move { tonic::server::Grpc::new(codec()).unary(IssueToken(users), request).await }
                }),
            )
            .route(
                "/nova.auth.v1.AuthService/GetTokenState",
                post(move |request: Request<axum::body::Body>| {
                    let users = keeper.clone();
                    async move { tonic::server::Grpc::new(codec()).unary(TellTokenState(users), request).await }
                }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (users, address)
    }

    /// Whether it answers that it will not answer.
    pub fn set_refusing(&self, is_refusing: bool) {
        self.0.is_refusing.store(is_refusing, Ordering::SeqCst);
    }

    /// From now on `blocker` blocks `blocked`.
    pub fn block(&self, blocker: UserId, blocked: UserId) {
        self.0.blocks.lock().unwrap().insert((blocker, blocked));
    }

    /// The end of a block.
    pub fn unblock(&self, blocker: UserId, blocked: UserId) {
        self.0.blocks.lock().unwrap().remove(&(blocker, blocked));
    }

    /// From now on this is the answer to all who want to write to `user`.
    pub fn answer(&self, user: UserId, verdict: Verdict) {
        self.0.verdicts.lock().unwrap().insert(user, verdict);
    }

    /// Whether it answers at all.
    pub fn set_down(&self, down: bool) {
        self.0.is_down.store(down, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub fn questions(&self) -> usize {
        self.0.questions.load(Ordering::SeqCst)
    }

    /// From now on answers are made, but held back.
    pub fn hold_answers(&self) {
        self.0.permits.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets every answer go, also those that are held back.
    pub fn let_answers_go(&self) {
        self.0.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    fn verdict(&self, actor: UserId, user: UserId) -> Verdict {
        let blocks = self.0.blocks.lock().unwrap();
        if let Some(verdict) = self.0.verdicts.lock().unwrap().get(&user) {
            *verdict
        } else if blocks.contains(&(actor, user)) {
            Verdict::BlockedByActor
        } else if blocks.contains(&(user, actor)) {
            Verdict::BlockedByUser
        } else {
            Verdict::Allowed
        }
    }
}

fn codec<T, U>() -> ProstCodec<T, U> {
    ProstCodec::default()
}

struct CheckContact(FakeUsers);

impl tonic::server::UnaryService<CheckContactRequest> for CheckContact {
    type Response = CheckContactResponse;
    type Future = BoxFuture<'static, Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: tonic::Request<CheckContactRequest>) -> Self::Future {
        let users = self.0.clone();
        Box::pin(async move {
            users.0.questions.fetch_add(1, Ordering::SeqCst);
            let authorization = request.metadata().get("authorization").and_then(|v| v.to_str().ok());
            if authorization != Some(&format!("Bearer {}", users.0.token)) {
                return Err(Status::unauthenticated("not one of Nova's services"));
            }
            if users.0.is_down.load(Ordering::SeqCst) {
                return Err(Status::unavailable("down"));
            }
            if users.0.is_refusing.load(Ordering::SeqCst) {
                return Err(Status::resource_exhausted("too many questions"));
            }
            let CheckContactRequest { actor_id, user_ids } = request.into_inner();
            let actor: UserId = actor_id.parse().map_err(|_| Status::invalid_argument("actor_id"))?;
            let mut contacts = Vec::new();
            for user_id in user_ids {
                let user: UserId = user_id.parse().map_err(|_| Status::invalid_argument("user_ids"))?;
                contacts.push(Contact { user_id, verdict: users.verdict(actor, user).into() });
            }
            let permit = users.0.permits.acquire().await.expect("never closed");
            drop(permit);
            Ok(Response::new(CheckContactResponse { contacts }))
        })
    }
}

struct IssueToken(FakeUsers);

impl tonic::server::UnaryService<IssueServiceTokenRequest> for IssueToken {
    type Response = IssueServiceTokenResponse;
    type Future = BoxFuture<'static, Result<Response<Self::Response>, Status>>;

    fn call(&mut self, _: tonic::Request<IssueServiceTokenRequest>) -> Self::Future {
        let access_token = self.0.0.token.clone();
        Box::pin(async move { Ok(Response::new(IssueServiceTokenResponse { access_token, expires_in: 900 })) })
    }
}

struct TellTokenState(FakeUsers);

impl tonic::server::UnaryService<GetTokenStateRequest> for TellTokenState {
    type Response = GetTokenStateResponse;
    type Future = BoxFuture<'static, Result<Response<Self::Response>, Status>>;

    fn call(&mut self, _: tonic::Request<GetTokenStateRequest>) -> Self::Future {
        let state = self.0.0.token_state.clone();
        Box::pin(async move { Ok(Response::new(state)) })
    }
}
