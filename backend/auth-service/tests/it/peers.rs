//! What the auth service talks to: a user service and a mail server, as small as they can be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use axum::routing::post;
use protos::messaging::v1::{EraseUserRequest, EraseUserResponse};
use protos::user::v1::{DeleteProfileRequest, DeleteProfileResponse, EnsureProfileRequest, EnsureProfileResponse};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tower::service_fn;

/// A user service, and a messaging service, that remember what they were told.
#[derive(Clone, Default)]
pub struct FakeUserService(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    down: bool,
    stuck: Vec<String>,
    ensured: Vec<EnsureProfileRequest>,
    deleted: Vec<DeleteProfileRequest>,
    erased: Vec<EraseUserRequest>,
}

impl FakeUserService {
    /// Starts it on a free port.
    pub async fn start() -> (Self, SocketAddr) {
        let fake = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let routes = Router::new()
            .route("/nova.user.v1.UserService/EnsureProfile", post(ensure))
            .route("/nova.user.v1.UserService/DeleteProfile", post(delete))
            .route("/nova.messaging.v1.MessagingService/EraseUser", post(erase))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (fake, address)
    }

    /// Makes every call fail, or lets them through again.
    pub fn set_down(&self, down: bool) {
        self.0.lock().expect("no test panics while it holds the lock").down = down;
    }

    /// Never answers for this user from now on.
    pub fn set_stuck(&self, user_id: &str) {
        self.0.lock().expect("no test panics while it holds the lock").stuck.push(user_id.to_owned());
    }

    fn is_stuck(&self, user_id: &str) -> bool {
        self.0.lock().expect("no test panics while it holds the lock").stuck.iter().any(|stuck| stuck == user_id)
    }

    /// Profiles that were made.
    pub fn ensured(&self) -> Vec<EnsureProfileRequest> {
        self.0.lock().expect("no test panics while it holds the lock").ensured.clone()
    }

    /// Profiles that were deleted.
    pub fn deleted(&self) -> Vec<DeleteProfileRequest> {
        self.0.lock().expect("no test panics while it holds the lock").deleted.clone()
    }

    /// Accounts whose messages were made unreadable.
    pub fn erased(&self) -> Vec<EraseUserRequest> {
        self.0.lock().expect("no test panics while it holds the lock").erased.clone()
    }

    fn tell(&self, hear: impl FnOnce(&mut Told)) -> Result<(), Status> {
        let mut told = self.0.lock().expect("no test panics while it holds the lock");
        if told.down {
            return Err(Status::unavailable("down"));
        }
        hear(&mut told);
        Ok(())
    }
}

async fn ensure(State(fake): State<FakeUserService>, request: Request<Body>) -> Response<tonic::body::Body> {
    assert!(request.headers().contains_key("authorization"), "services say who they are");
    let handler = service_fn(move |request: tonic::Request<EnsureProfileRequest>| {
        let fake = fake.clone();
        async move {
            if fake.is_stuck(&request.get_ref().user_id) {
                std::future::pending::<()>().await;
            }
            fake.tell(|told| told.ensured.push(request.into_inner()))?;
            Ok(tonic::Response::new(EnsureProfileResponse { created: true }))
        }
    });
    Grpc::new(ProstCodec::default()).unary(handler, request).await
}

async fn delete(State(fake): State<FakeUserService>, request: Request<Body>) -> Response<tonic::body::Body> {
    let handler = service_fn(move |request: tonic::Request<DeleteProfileRequest>| {
        let told = fake.tell(|told| told.deleted.push(request.into_inner()));
        async { told.map(|()| tonic::Response::new(DeleteProfileResponse { deleted: true })) }
    });
    Grpc::new(ProstCodec::default()).unary(handler, request).await
}

async fn erase(State(fake): State<FakeUserService>, request: Request<Body>) -> Response<tonic::body::Body> {
    assert!(request.headers().contains_key("authorization"), "services say who they are");
    let handler = service_fn(move |request: tonic::Request<EraseUserRequest>| {
        let told = fake.tell(|told| told.erased.push(request.into_inner()));
        async { told.map(|()| tonic::Response::new(EraseUserResponse {})) }
    });
    Grpc::new(ProstCodec::default()).unary(handler, request).await
}

/// A mail server that keeps what it gets.
#[derive(Clone, Default)]
pub struct FakeMailServer(Arc<Mutex<Vec<String>>>);

impl FakeMailServer {
    /// Starts it on a free port.
    pub async fn start() -> (Self, SocketAddr) {
        let fake = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mails = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mails = mails.clone();
                tokio::spawn(async move { mails.talk(stream).await });
            }
        });
        (fake, address)
    }

    /// Mails that came, each with its headers.
    pub fn mails(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it holds the lock").clone()
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 test\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let verb = line.split(' ').next().unwrap_or_default().to_uppercase();
            let reply: &[u8] = match verb.as_str() {
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        mail.push_str(&line);
                        mail.push('\n');
                    }
                    self.0.lock().expect("no test panics while it holds the lock").push(mail);
                    b"250 kept\r\n"
                }
                "QUIT" => {
                    write.write_all(b"221 bye\r\n").await?;
                    return Ok(());
                }
                _ => b"250 yes\r\n",
            };
            write.write_all(reply).await?;
        }
        Ok(())
    }
}
