use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::Certificates;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use webhooks::{Answer, EXCERPT_BYTES, Fault, Guard, Limits, Message, Resolve, Sender, Target};

use crate::receiver::{Manner, Receiver};

const LIMITS: Limits = Limits { connect: Duration::from_secs(20), whole: Duration::from_secs(40) };
const HASTY: Limits = Limits { connect: Duration::from_millis(500), whole: Duration::from_millis(1_000) };

/// A name service that gives each answer once, and the last one again and again.
struct Names(Mutex<Vec<Vec<IpAddr>>>, AtomicUsize);

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |answer: &&[&str]| answer.iter().map(|text| text.parse().expect("an address")).collect();
        Arc::new(Self(Mutex::new(answers.iter().rev().map(answer).collect()), AtomicUsize::new(0)))
    }

    fn asked(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.lock().expect("no panic before");
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn sender(allowed: &[&str], limits: Limits, authorities: Option<&Path>, names: Arc<Names>) -> Sender {
    let allowed = allowed.iter().map(|network| network.parse().expect("a network")).collect();
    Sender::try_new(Guard::new(allowed), limits, authorities, names).expect("readable")
}

fn at_loopback(limits: Limits) -> Sender {
    sender(&["127.0.0.0/8"], limits, None, Names::new(&[&["127.0.0.1"]]))
}

fn message() -> Message {
    Message {
        id: "an id".to_owned(),
        at: 1_795_435_200,
        signatures: "v1,one v1,two".to_owned(),
        content_type: "application/cloudevents+json",
        body: Bytes::from_static(b"{\"a\": 1}"),
    }
}

fn target(receiver: &Receiver, path: &str) -> Target {
    Target::parse(&format!("http://hooks.example:{}{path}", receiver.address.port()), true).expect("an address")
}

async fn send(manner: Manner, limits: Limits) -> (Result<Answer, Fault>, Receiver) {
    let receiver = Receiver::start(manner).await;
    let attempt = at_loopback(limits).send(&target(&receiver, "/hook?a=b"), &message()).await;
    (attempt.result, receiver)
}

#[tokio::test]
async fn a_message_arrives_as_it_was_made() {
    let (result, receiver) = send(Manner::status("204 No Content"), LIMITS).await;
    assert_eq!(result, Ok(Answer { status: 204, retry_after: None, excerpt: String::new() }));
    let requests = receiver.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "{\"a\": 1}");
    let head = head.to_lowercase();
    for line in [
        "post /hook?a=b http/1.1",
        &format!("host: hooks.example:{}", receiver.address.port()),
        "content-type: application/cloudevents+json",
        "webhook-id: an id",
        "webhook-timestamp: 1795435200",
        "webhook-signature: v1,one v1,two",
        "content-length: 8",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(Manner::status("200 OK")).await;
    let answer =
        format!("HTTP/1.1 307 Elsewhere\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address);
    let (result, _) = send(Manner::Says(answer), LIMITS).await;
    assert_eq!(result.expect("answered").status, 307);
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_is_kept_up_to_a_bound() {
    let body = "x".repeat(100_000);
    let answer = format!("HTTP/1.1 500 No\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (result, _) = send(Manner::Says(answer), LIMITS).await;
    let answer = result.expect("answered");
    assert_eq!((answer.status, answer.retry_after), (500, Some(Duration::from_secs(7))));
    assert_eq!(answer.excerpt.len(), EXCERPT_BYTES);
}

#[tokio::test]
async fn an_answer_is_text_that_can_be_stored() {
    let (result, _) = send(Manner::Says("HTTP/1.1 400 No\r\ncontent-length: 3\r\n\r\na\0b".to_owned()), LIMITS).await;
    assert_eq!(result.expect("answered").excerpt, "a\u{fffd}b");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let answer = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    let (result, _) = send(Manner::Says(answer), LIMITS).await;
    assert_eq!(result, Err(Fault::Broken));
}

#[tokio::test]
async fn a_receiver_that_hangs_is_waited_for_so_long_and_no_longer() {
    let receiver = Receiver::start(Manner::Hangs).await;
    let attempt = at_loopback(HASTY).send(&target(&receiver, "/"), &message()).await;
    assert_eq!(attempt.result, Err(Fault::Timeout));
    assert!(attempt.took >= HASTY.whole && attempt.took < Duration::from_secs(20), "{:?}", attempt.took);
}

#[tokio::test]
async fn a_status_counts_even_if_the_body_never_ends() {
    let stalls = Manner::Stalls("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart".to_owned());
    let (result, _) = send(stalls, HASTY).await;
    assert_eq!(result, Ok(Answer { status: 200, retry_after: None, excerpt: "part".to_owned() }));
    let breaks = Manner::Says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart".to_owned());
    let (result, _) = send(breaks, LIMITS).await;
    assert_eq!(result.expect("answered").excerpt, "part");
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    for text in ["", "HTTP/1.1 200", "SSH-2.0-OpenSSH_9.6\r\n"] {
        let (result, _) = send(Manner::Says(text.to_owned()), LIMITS).await;
        assert_eq!(result, Err(Fault::Broken), "{text:?}");
    }
}

#[tokio::test]
async fn where_nobody_listens_no_connection_is_opened() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let target = Target::parse(&format!("http://hooks.example:{port}"), true).expect("an address");
    let attempt = at_loopback(LIMITS).send(&target, &message()).await;
    assert_eq!(attempt.result, Err(Fault::Connect));
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure() {
    let target = Target::parse("https://hooks.example", false).expect("an address");
    for names in [Names::new(&[]), Names::new(&[&[]])] {
        let attempt = sender(&[], LIMITS, None, names).send(&target, &message()).await;
        assert_eq!(attempt.result, Err(Fault::Name));
    }
}

#[tokio::test]
async fn an_address_inside_is_refused_before_anything_is_sent() {
    let receiver = Receiver::start(Manner::status("200 OK")).await;
    let port = receiver.address.port();
    for host in ["hooks.example", "127.0.0.1", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"] {
        let target = Target::parse(&format!("https://{host}:{port}/"), false).expect("an address");
        let attempt = sender(&[], LIMITS, None, Names::new(&[&["127.0.0.1"]])).send(&target, &message()).await;
        assert_eq!(attempt.result, Err(Fault::Forbidden), "{host}");
    }
    assert_eq!(receiver.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn one_address_inside_among_others_is_enough_to_refuse() {
    let target = Target::parse("https://hooks.example", false).expect("an address");
    let names = Names::new(&[&["1.1.1.1", "169.254.169.254"]]);
    let attempt = sender(&[], LIMITS, None, names).send(&target, &message()).await;
    assert_eq!(attempt.result, Err(Fault::Forbidden));
}

#[tokio::test]
async fn a_name_that_means_something_else_the_next_moment_leads_nowhere_else() {
    let inside = Receiver::start(Manner::status("200 OK")).await;
    // What was checked is what is connected to: the second answer is never asked for, nor is the next delivery's believed.
    let names = Names::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let sender = sender(&["127.0.0.2/32"], HASTY, None, Arc::clone(&names));
    let target = Target::parse(&format!("http://hooks.example:{}", inside.address.port()), true).expect("an address");
    assert_eq!(sender.send(&target, &message()).await.result, Err(Fault::Connect), "nobody listens at 127.0.0.2");
    assert_eq!(names.asked(), 1);
    assert_eq!(sender.send(&target, &message()).await.result, Err(Fault::Forbidden));
    assert_eq!(names.asked(), 2);
    assert_eq!(inside.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn without_tls_only_what_the_operator_names_is_reached() {
    let target = Target::parse("http://hooks.example", true).expect("an address");
    let attempt = sender(&["10.0.0.0/8"], LIMITS, None, Names::new(&[&["1.1.1.1"]])).send(&target, &message()).await;
    assert_eq!(attempt.result, Err(Fault::Forbidden));
}

fn acceptor(certificates: &Certificates, name: &str) -> TlsAcceptor {
    let (certificate, key) = certificates.issue(&[name]);
    let chain = CertificateDer::pem_file_iter(certificate).expect("a file").map(|c| c.expect("PEM")).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).expect("a key"))
        .expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_for_the_name() {
    let certificates = Certificates::new();
    let receiver = Receiver::start_tls(Manner::status("200 OK"), acceptor(&certificates, "hooks.example")).await;
    let to =
        |host: &str| Target::parse(&format!("https://{host}:{}", receiver.address.port()), false).expect("an address");
    let ca = certificates.ca();
    let names = || Names::new(&[&["127.0.0.1"]]);
    let trusting = sender(&["127.0.0.0/8"], LIMITS, Some(&ca), names());
    assert_eq!(trusting.send(&to("hooks.example"), &message()).await.result.map(|answer| answer.status), Ok(200));
    assert_eq!(trusting.send(&to("other.example"), &message()).await.result, Err(Fault::Tls));
    let strange = sender(&["127.0.0.0/8"], LIMITS, None, names());
    assert_eq!(strange.send(&to("hooks.example"), &message()).await.result, Err(Fault::Tls));
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_no_secret() {
    let receiver = Receiver::start(Manner::status("200 OK")).await;
    let target =
        Target::parse(&format!("https://hooks.example:{}", receiver.address.port()), false).expect("an address");
    let attempt = at_loopback(HASTY).send(&target, &message()).await;
    assert!(matches!(attempt.result, Err(Fault::Tls | Fault::Timeout)), "{:?}", attempt.result);
    assert_eq!(receiver.requests(), Vec::<String>::new());
}
