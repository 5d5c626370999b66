//! Kafka over TLS: both sides show certificates.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use events::{Bus, Kafka, KafkaConfig, Topic};
use testkit::{Certificates, KafkaBroker};
use tls::{AskClients, Server, ServerFiles};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::world::{SOON, event};

/// What speaks TLS before a broker that can't.
async fn doorway(broker: SocketAddr, server: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(server.config());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let (mut from_client, to_client) = split(stream);
                let broker_side = TcpStream::connect(broker).await.expect("the broker answers");
                let (from_broker, mut to_broker) = broker_side.into_split();
                let there = async move { copy(&mut from_client, &mut to_broker).await.map(drop) };
                let _ = tokio::join!(there, relabel(from_broker, to_client, broker.port(), at.port()));
            });
        }
    });
    at
}

/// Passes answers on. A broker tells clients where to go to; they are to come here.
async fn relabel(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    broker: u16,
    here: u16,
) -> std::io::Result<()> {
    let [there, here] = [broker, here].map(|port| i32::from(port).to_be_bytes());
    loop {
        let length = from.read_i32().await?;
        let mut answer = vec![0; usize::try_from(length).expect("a length")];
        from.read_exact(&mut answer).await?;
        let mut at = 0;
        while let Some(found) = answer[at..].windows(there.len()).position(|window| window == there) {
            answer[at + found..][..here.len()].copy_from_slice(&here);
            at += found + here.len();
        }
        to.write_i32(length).await?;
        to.write_all(&answer).await?;
    }
}

fn bus(at: SocketAddr, files: &[(&str, PathBuf)]) -> Bus {
    let mut config = KafkaConfig { partitions: 3, replication: 1, ..KafkaConfig::new(at.to_string()) };
    config.properties.insert("security.protocol".to_owned(), "ssl".to_owned());
    for (name, path) in files {
        config.properties.insert((*name).to_owned(), path.to_str().expect("a path").to_owned());
    }
    Bus::Kafka(Kafka::new(config).expect("librdkafka takes it"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_over_tls_to_brokers_that_are_known_from_who_is_known() {
    let (broker, known, others) = (KafkaBroker::start().await, Certificates::new(), Certificates::new());
    let (certificate, key) = known.issue(&["127.0.0.1"]);
    let files = ServerFiles { certificate, key, clients: AskClients::Required(known.ca()) };
    let at = doorway(broker.address(), Server::open(&files).expect("good files")).await;
    let client = |known: &Certificates, own: &Certificates| {
        let (certificate, key) = own.issue(&["nova"]);
        [("ssl.ca.location", known.ca()), ("ssl.certificate.location", certificate), ("ssl.key.location", key)]
    };
    let good = bus(at, &client(&known, &known));
    let mut tap = good.tap(&[Topic::Messaging]).await.expect("the broker is reached");
    let said = event(clock::Clock::system().now(), Uuid::from_u128(1), 1);
    good.publish(&[&said]).await.expect("published");
    assert_eq!(timeout(SOON, tap.next()).await.expect("it comes"), said);
    let (a_stranger, another_ca) = (bus(at, &client(&known, &others)), bus(at, &client(&others, &known)));
    let said = [&said];
    let (refused, suspicious) = tokio::join!(a_stranger.publish(&said), another_ca.publish(&said));
    assert!(refused.is_err() && suspicious.is_err());
}

/// What the manifests of a service say about Kafka, as librdkafka is told.
fn properties(service: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../k8s/microservices");
    let files = ["configmap", "secret"].map(|kind| {
        std::fs::read_to_string(folder.join(format!("{service}-{kind}.yaml"))).expect("the manifests are there")
    });
    let lines = files.iter().flat_map(|text| text.lines());
    let properties = lines.filter_map(|line| line.split_once("__EVENTS__KAFKA__PROPERTIES__")?.1.split_once(": "));
    properties.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
}

#[test]
fn what_the_manifests_say_is_taken() {
    let known = Certificates::new();
    for service in ["auth-service", "user-service", "messaging-service"] {
        let mut config = KafkaConfig::new("nova-kafka-bootstrap:9093");
        config.properties = properties(service);
        assert_eq!(config.properties.len(), 5, "{:?}", config.properties.keys());
        let ca = known.ca().to_str().expect("a path").to_owned();
        config.properties.insert("ssl.ca.location".to_owned(), ca).expect("the authority is named");
        Kafka::new(config.clone()).expect("librdkafka takes it");
        config.properties.insert("security.protocol".to_owned(), "sasl_tls".to_owned());
        assert!(Kafka::new(config).is_err(), "it would not take everything");
    }
}
