//! TLS as clients meet it: handshakes of every kind, certificates that change, and services that must be who they say.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chassis::config::{ClientCertificates, Listen, ListenTls};
use chassis::{Running, Service};
use clock::Clock;
use futures::{FutureExt, StreamExt};
use limits::Limiter;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{StreamEventsRequest, StreamEventsResponse};
use rpc::{Dial, Peer};
use testkit::{As, Certificates, assert_reason, eventually};
use tls::{Client, ClientFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::source::{ACCESS, SERVICE, World};

const PATIENCE: Duration = Duration::from_secs(20);

pub async fn start(world: &World, listen: &Listen, http: Router) -> Running {
    let service = Service {
        name: "messaging",
        grpc_name: SERVICE,
        domain: "messaging.nova",
        access: ACCESS,
        verifier: world.verifier.clone(),
        limiter: Arc::new(Limiter::off()),
        grpc: Routes::from(world.routes.clone()),
        http,
        ready_after: async {}.boxed(),
        tracer: Default::default(),
        record_metrics: Arc::new(|| {}),
    };
    service.start(listen, &world.life).await.expect("ports are free and files are good")
}

/// TLS with a certificate for `nova.test`.
pub fn listen(certificates: &Certificates) -> Listen {
    let (certificate, key) = certificates.issue(&["nova.test", "127.0.0.1"]);
    Listen { tls: ListenTls { certificate, key, ..ListenTls::default() }, ..Listen::on(0, 0) }
}

/// The same where clients are asked for certificates.
fn asking(certificates: &Certificates) -> Listen {
    let mut listen = listen(certificates);
    listen.tls.client_ca = certificates.ca();
    listen.tls.service_names = ["user-service", "auth-service"].map(str::to_owned).to_vec();
    listen
}

fn client(certificates: &Certificates, identity: Option<(PathBuf, PathBuf)>) -> Client {
    Client::open(&ClientFiles { ca: certificates.ca(), identity }).expect("good files")
}

/// A client's end of a connection.
pub async fn connect(client: &Client, protocol: &str, to: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    connect_as("nova.test", client, protocol, to).await
}

async fn connect_as(
    name: &'static str,
    client: &Client,
    protocol: &str,
    to: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = ClientConfig::clone(&client.config());
    config.alpn_protocols = vec![protocol.into()];
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from(name).expect("a name");
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("it is answered")
}

/// Asks for `/livez` over HTTP/1.1; the connection stays open.
async fn ask(stream: &mut TlsStream<TcpStream>, host: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET /livez HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = vec![];
    while !answer.ends_with(b"alive\n") {
        if timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("it is answered")? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(answer).expect("text"))
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned()
}

fn channel(client: Client, to: SocketAddr) -> Channel {
    let dial = Dial::Tls { client, name: None };
    Peer { url: format!("https://{to}"), dial, timeout: PATIENCE }.channel().expect("an address")
}

async fn stream(channel: Channel, token: &str) -> Result<Streaming<StreamEventsResponse>, Status> {
    let mut client = MessagingServiceClient::new(As::token(token).on(channel));
    Ok(client.stream_events(StreamEventsRequest::default()).await?.into_inner())
}

#[tokio::test]
async fn grpc_rest_and_websockets_come_over_tls() {
    let (world, certificates) = (World::new(), Certificates::new());
    let running = start(&world, &listen(&certificates), Router::new()).await;
    let client = client(&certificates, None);
    for to in [running.http, running.grpc] {
        let mut events = stream(channel(client.clone(), to), &world.person()).await.expect("a stream");
        world.source().await.event("1").await;
        assert_eq!(events.message().await.expect("an event").expect("there is one").cursor, "1");
    }
    for protocol in ["h2", "http/1.1"] {
        let connection = connect(&client, protocol, running.http).await.expect("a handshake");
        assert_eq!(connection.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    }
    let request =
        ClientRequestBuilder::new(format!("wss://nova.test:{}/api/v1/ws", running.http.port()).parse().expect("one"))
            .with_sub_protocol("nova.v1")
            .with_sub_protocol(format!("nova.bearer.{}", world.person()));
    let connection = connect(&client, "http/1.1", running.http).await.expect("a handshake");
    let (mut socket, _) = client_async(request, connection).await.expect("an upgrade");
    world.source().await.event("7").await;
    let told = timeout(PATIENCE, socket.next()).await.expect("an event").expect("there is one").expect("whole");
    assert!(told.to_text().expect("text").contains("\"7\""), "{told}");
}

#[tokio::test]
async fn browsers_are_told_to_keep_to_https_unless_it_is_this_machine() {
    let (world, certificates) = (World::new(), Certificates::new());
    let mut listen = listen(&certificates);
    let client = client(&certificates, None);
    let running = start(&world, &listen, Router::new()).await;
    let mut connection = connect(&client, "http/1.1", running.http).await.expect("a handshake");
    let answer = ask(&mut connection, "nova.test").await.expect("an answer");
    assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "{answer}");
    for host in ["localhost:8000", "127.0.0.1"] {
        let answer = ask(&mut connection, host).await.expect("an answer");
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
    listen.tls.hsts = Duration::ZERO;
    let running = start(&world, &listen, Router::new()).await;
    let mut connection = connect(&client, "http/1.1", running.http).await.expect("a handshake");
    assert!(!ask(&mut connection, "nova.test").await.expect("an answer").contains("strict-transport"));
}

#[tokio::test]
async fn who_is_not_believed_gets_no_connection() {
    let (world, certificates, others) = (World::new(), Certificates::new(), Certificates::new());
    let running = start(&world, &asking(&certificates), Router::new()).await;
    let nobody = client(&certificates, None);
    connect(&nobody, "h2", running.grpc).await.expect("a client certificate may be left out");

    // Servers that the client does not believe.
    connect(&client(&others, None), "h2", running.grpc).await.expect_err("of another authority");
    connect_as("other.test", &nobody, "h2", running.grpc).await.expect_err("for another name");
    let (certificate, key) = certificates.issue_expired(&["nova.test"]);
    let old = Listen { tls: ListenTls { certificate, key, ..ListenTls::default() }, ..Listen::on(0, 0) };
    let old = start(&world, &old, Router::new()).await;
    connect(&nobody, "h2", old.grpc).await.expect_err("expired");

    // Clients that the server does not believe: they hear of it when they read.
    for identity in [others.issue(&["user-service"]), certificates.issue_expired(&["user-service"])] {
        let stranger = client(&certificates, Some(identity));
        let asked = async { ask(&mut connect(&stranger, "http/1.1", running.http).await?, "nova.test").await };
        asked.await.expect_err("refused");
    }
    let mut required = asking(&certificates);
    required.tls.client_certificates = ClientCertificates::Required;
    let running = start(&world, &required, Router::new()).await;
    let asked = async { ask(&mut connect(&nobody, "http/1.1", running.http).await?, "nova.test").await };
    asked.await.expect_err("a certificate is required");
    let known = client(&certificates, Some(certificates.issue(&["anyone.test"])));
    let asked = async { ask(&mut connect(&known, "http/1.1", running.http).await?, "nova.test").await };
    asked.await.expect("it has one");

    // No TLS at all.
    let mut plain = TcpStream::connect(running.http).await.expect("a connection");
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: nova.test\r\n\r\n").await.expect("sent");
    let mut answer = vec![];
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("it is closed");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_services_token_is_worth_nothing_without_its_certificate() {
    let (world, certificates) = (World::new(), Certificates::new());
    let running = start(&world, &asking(&certificates), Router::new()).await;
    let token = world.tokens.service("user");
    let of = |name: &str| channel(client(&certificates, Some(certificates.issue(&[name]))), running.grpc);
    let _events = stream(of("user-service"), &token).await.expect("it is who it says");
    let _source = world.source().await;
    for (who, channel) in [
        ("another service", of("auth-service")),
        ("a name that is no service's", of("user")),
        ("nobody", channel(client(&certificates, None), running.grpc)),
    ] {
        let status = stream(channel, &token).await.expect_err(who);
        assert_reason(&status, Code::Unauthenticated, "UNAUTHENTICATED");
    }
    let _people =
        stream(channel(client(&certificates, None), running.grpc), &world.person()).await.expect("people need none");

    let rest = async |identity: Option<&str>| {
        let client = client(&certificates, identity.map(|name| certificates.issue(&[name])));
        let mut connection = connect(&client, "http/1.1", running.http).await.expect("a handshake");
        let request =
            format!("GET /api/v1/events HTTP/1.1\r\nhost: nova.test\r\nauthorization: Bearer {token}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = [0; 12];
        timeout(PATIENCE, connection.read_exact(&mut answer)).await.expect("it is answered").expect("whole");
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert_eq!(rest(None).await, "HTTP/1.1 401");
    assert_eq!(rest(Some("auth-service")).await, "HTTP/1.1 401");
    assert_eq!(rest(Some("user-service")).await, "HTTP/1.1 200");
}

#[tokio::test]
async fn new_certificates_are_shown_to_new_connections_while_old_ones_go_on() {
    let (world, certificates) = (World::new(), Certificates::new());
    let listen = listen(&certificates);
    let running = start(&world, &listen, Router::new()).await;
    let client = client(&certificates, None);
    let mut old = connect(&client, "http/1.1", running.http).await.expect("a handshake");
    ask(&mut old, "nova.test").await.expect("an answer");

    certificates.issue(&["nova.test", "127.0.0.1"]);
    let renewed = async || {
        let new = connect(&client, "http/1.1", running.http).await.expect("a handshake");
        (shown(&new) != shown(&old)).then(|| shown(&new))
    };
    let new = eventually("the new certificate is shown", PATIENCE, renewed).await;
    ask(&mut old, "nova.test").await.expect("the old connection goes on");

    // A file that is at fault changes nothing. That it has been looked at shows in what is looked at after it.
    std::fs::write(&listen.tls.certificate, "no certificate").expect("written");
    let (certificate, key) = certificates.issue(&["other.test", "127.0.0.1"]);
    let other = Listen { tls: ListenTls { certificate, key, ..ListenTls::default() }, ..Listen::on(0, 0) };
    let other = start(&world, &other, Router::new()).await;
    let first = shown(&connect_as("other.test", &client, "h2", other.grpc).await.expect("a handshake"));
    certificates.issue(&["other.test", "127.0.0.1"]);
    let renewed = async || {
        let new = connect_as("other.test", &client, "h2", other.grpc).await.expect("a handshake");
        (shown(&new) != first).then_some(())
    };
    eventually("the other port's new certificate is shown", PATIENCE, renewed).await;
    assert_eq!(shown(&connect(&client, "h2", running.http).await.expect("a handshake")), new);
}

#[tokio::test]
async fn handshakes_that_stand_still_keep_nobody_out() {
    let (world, certificates) = (World::new(), Certificates::new());
    let running = start(&world, &listen(&certificates), Router::new()).await;
    let mut silent = vec![];
    for _ in 0..100 {
        silent.push(TcpStream::connect(running.http).await.expect("a connection"));
    }
    let mut connection = connect(&client(&certificates, None), "http/1.1", running.http).await.expect("a handshake");
    ask(&mut connection, "nova.test").await.expect("an answer");
    // The end of the process does not wait for them either.
    drop(connection);
    timeout(Duration::from_secs(5), world.life.stop()).await.expect("the grace is not waited out");
}

#[tokio::test]
async fn the_end_of_a_certificate_is_among_the_metrics() {
    let (world, certificates) = (World::new(), Certificates::new());
    let now = Clock::system().now();
    let (certificate, key) =
        certificates.issue_between(&["metric.test"], now, now + Duration::from_secs(2 * 24 * 3600));
    let listen = Listen { tls: ListenTls { certificate, key, ..ListenTls::default() }, ..Listen::on(0, 0) };
    let _running = start(&world, &listen, Router::new()).await;
    let told = async || {
        let metrics = chassis::telemetry::metrics().render();
        let line = metrics
            .lines()
            .find(|l| l.starts_with("nova_tls_certificate_expires_seconds") && l.contains("metric.test"));
        line.map(|_| ())
    };
    eventually("the metric is there", PATIENCE, told).await;
}
