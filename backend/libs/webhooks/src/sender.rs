//! Sends one message: resolves, checks, connects, posts, reads what is answered, all within a time.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{Answer, EXCERPT_BYTES, Fault};
use crate::{Guard, Resolve, Target};

/// Most bytes of an answer's head.
const HEAD_BYTES: usize = 16 * 1_024;
const AGENT: HeaderValue = HeaderValue::from_static("Nova-Webhooks/1.0");

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Resolving, connecting and TLS.
    pub connect: Duration,
    /// All of it, up to the end of the answer.
    pub whole: Duration,
}

/// A message and its signatures.
#[derive(Clone, Debug)]
pub struct Message {
    /// The same however often it is sent (`webhook-id`).
    pub id: String,
    /// When it is sent, in seconds since 1970 (`webhook-timestamp`).
    pub at: i64,
    /// The signatures of all secrets that hold, with spaces between (`webhook-signature`).
    pub signatures: String,
    /// What kind of body it is.
    pub content_type: &'static str,
    /// What is sent.
    pub body: Bytes,
}

/// What came of one try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The answer, or why there is none.
    pub result: Result<Answer, Fault>,
    /// How long it took.
    pub took: Duration,
}

/// The authorities can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the certificates of {file} can't be read")]
pub struct TrustError {
    file: String,
    #[source]
    cause: rustls::pki_types::pem::Error,
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    guard: Guard,
    limits: Limits,
    tls: TlsConnector,
    resolver: Arc<dyn Resolve>,
}

impl Sender {
    /// A sender that believes the authorities that the system does, and those in the PEM file `authorities`, if there is one.
    ///
    /// # Errors
    /// If that file can't be read.
    pub fn try_new(
        guard: Guard,
        limits: Limits,
        authorities: Option<&Path>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if let Some(path) = authorities {
            let unreadable = |cause| TrustError { file: path.display().to_string(), cause };
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots.add_parsable_certificates([certificate.map_err(unreadable)?]);
            }
        }
        if roots.is_empty() {
            tracing::warn!("the system trusts no authority: webhooks with https will fail (install ca-certificates)");
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { guard, limits, tls: TlsConnector::from(Arc::new(config)), resolver })
    }

    /// Sends a message to a target once.
    pub async fn send(&self, target: &Target, message: &Message) -> Attempt {
        let begun = Instant::now();
        let result = match timeout(self.limits.whole, self.exchange(target, message, begun)).await {
            Ok(result) => result,
            Err(_) => Err(Fault::Timeout),
        };
        Attempt { result, took: begun.elapsed() }
    }

    async fn exchange(&self, target: &Target, message: &Message, begun: Instant) -> Result<Answer, Fault> {
        let request = request(target, message)?;
        let connected_by = begun + self.limits.connect;
        let stream = within(connected_by, self.connect(target)).await?;
        if !target.is_https() {
            return post(stream, request, begun + self.limits.whole).await;
        }
        let name = ServerName::try_from(target.host().to_owned()).map_err(|_| Fault::Tls)?;
        let stream =
            within(connected_by, async { self.tls.connect(name, stream).await.map_err(|_| Fault::Tls) }).await?;
        post(stream, request, begun + self.limits.whole).await
    }

    /// Opens a connection to an address that was checked: the very one, so that what the name means a moment later does not
    /// matter.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Fault> {
        let addresses = match target.address() {
            Some(address) => vec![address],
            None => self.resolver.resolve(target.host()).await.map_err(|_| Fault::Name)?,
        };
        if addresses.is_empty() {
            return Err(Fault::Name);
        }
        // All of them: a name that leads inside as well was not made for this.
        if !addresses.iter().all(|address| self.may_reach(*address, target)) {
            return Err(Fault::Forbidden);
        }
        let share = self.limits.connect / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            let opened = timeout(share, TcpStream::connect(SocketAddr::new(address, target.port()))).await;
            if let Ok(Ok(stream)) = opened {
                return Ok(stream);
            }
        }
        Err(Fault::Connect)
    }

    /// Without TLS only what the operator has named.
    fn may_reach(&self, address: IpAddr, target: &Target) -> bool {
        if target.is_https() { self.guard.admits(address) } else { self.guard.names(address) }
    }
}

async fn within<T>(end: Instant, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout_at(end, work).await.unwrap_or(Err(Fault::Timeout))
}

fn request(target: &Target, message: &Message) -> Result<Request<Full<Bytes>>, Fault> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(target.path())
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, message.content_type)
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.at)
        .header("webhook-signature", &message.signatures)
        .body(Full::new(message.body.clone()));
    request.map_err(|_| Fault::Broken)
}

async fn post<S>(stream: S, request: Request<Full<Bytes>>, end: Instant) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Fault::Broken)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(|_| Fault::Broken)?;
    Ok(answer(response, end).await)
}

/// The status counts; a body that breaks off or takes too long does not.
async fn answer(response: Response<Incoming>, end: Instant) -> Answer {
    let (head, mut body) = response.into_parts();
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut excerpt = vec![];
    // A little before the end, so that the status is not lost with it.
    let end = end - (end - Instant::now()) / 10;
    while excerpt.len() < EXCERPT_BYTES {
        let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await else { break };
        let data = frame.into_data().unwrap_or_default();
        excerpt.extend_from_slice(&data[..data.len().min(EXCERPT_BYTES - excerpt.len())]);
    }
    // PostgreSQL takes no NUL in a text.
    let excerpt = String::from_utf8_lossy(&excerpt).replace('\0', "\u{fffd}");
    Answer { status: head.status.as_u16(), retry_after: retry_after.map(Duration::from_secs), excerpt }
}
