//! What the machine could do at best: a server that only answers, and a database that only inserts.

use std::convert::Infallible;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{GetUserProfileRequest, GetUserProfileResponse, UserProfile};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::Mutex;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::data::Data;
use crate::load::{Load, Report};
use crate::nova::Nova;

/// The gRPC library with a reply of the same size and no work behind it, in a process of its own. With `data`, each request has a
/// token, which nobody checks.
pub async fn bare_tonic(load: &Load, data: Option<&Data>) -> anyhow::Result<Report> {
    let mut server =
        Command::new(std::env::current_exe()?).arg("bare").stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("stdout is piped")?).lines();
    let address = lines.next_line().await?.context("the bare server did not start")?;
    let mut clients = vec![];
    for _ in 0..load.connections {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        clients.push(UserServiceClient::new(channel));
    }
    let data = data.cloned();
    let report = load.run(move |worker, _| {
        let (mut client, data) = (clients[worker % clients.len()].clone(), data.clone());
        async move {
            let request = GetUserProfileRequest { user_id: "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a".to_owned() };
            let request = match data {
                Some(data) => data.people[worker % data.people.len()].request(request),
                None => Request::new(request),
            };
            client.get_user_profile(request).await.map(drop)
        }
    });
    let report = report.await;
    server.kill().await?;
    report
}

/// The bare server's process: prints its address and serves until it is killed.
pub async fn serve_bare() -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    println!("{address}");
    Ok(Server::builder().tcp_nodelay(true).add_service(Bare).serve(address).await?)
}

#[derive(Clone)]
struct Bare;

impl NamedService for Bare {
    const NAME: &'static str = "nova.user.v1.UserService";
}

impl tonic::codegen::Service<http::Request<tonic::body::Body>> for Bare {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(tonic_prost::ProstCodec::default()).unary(Self, request).await) })
    }
}

impl UnaryService<GetUserProfileRequest> for Bare {
    type Response = GetUserProfileResponse;
    type Future = std::future::Ready<Result<Response<GetUserProfileResponse>, Status>>;

    fn call(&mut self, request: Request<GetUserProfileRequest>) -> Self::Future {
        let profile = UserProfile {
            id: request.into_inner().user_id,
            username: "somebody".to_owned(),
            display_name: "Somebody".to_owned(),
            created_at: "2026-11-23T12:00:00.123456Z".to_owned(),
            updated_at: "2026-11-23T12:00:00.123456Z".to_owned(),
            version: 1,
            ..UserProfile::default()
        };
        std::future::ready(Ok(Response::new(GetUserProfileResponse { profile: Some(profile) })))
    }
}

/// One row a commit, straight into the PostgreSQL that Nova uses, a connection for each call in flight.
pub async fn inserts(load: &Load, nova: &Nova) -> anyhow::Result<Report> {
    let url = nova.database("nova_messaging").await?;
    let mut first = PgConnection::connect(&url).await?;
    sqlx::raw_sql("CREATE TABLE bench_inserts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content text)")
        .execute(&mut first)
        .await?;
    let mut connections = vec![];
    for _ in 0..load.in_flight {
        connections.push(Arc::new(Mutex::new(PgConnection::connect(&url).await?)));
    }
    let report = load.run(move |worker, _| {
        let connection = Arc::clone(&connections[worker]);
        async move {
            let mut connection = connection.lock().await;
            let insert = sqlx::query("INSERT INTO bench_inserts (content) VALUES ($1)")
                .bind("forty bytes of text, more or less: hello");
            insert.execute(&mut *connection).await.map(drop).map_err(|e| Status::internal(e.to_string()))
        }
    });
    let report = report.await;
    sqlx::raw_sql("DROP TABLE bench_inserts").execute(&mut first).await?;
    report
}
