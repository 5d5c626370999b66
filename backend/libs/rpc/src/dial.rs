//! How a peer is reached.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// Bytes that a connection inside a process holds each way.
const INSIDE_BUFFER: usize = 256 * 1024;
/// Connections inside a process that wait to be accepted.
const BACKLOG: usize = 64;
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
/// How long a connection may take to be there, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How a peer is reached.
#[derive(Clone, Default)]
pub enum Dial {
    /// Over TCP as it is.
    #[default]
    Plain,
    /// Over TLS.
    Tls {
        /// Whom we believe, and who we are.
        client: tls::Client,
        /// The name that must stand in the peer's certificate; none: the host of its address.
        name: Option<ServerName<'static>>,
    },
    /// Without a network: the peer is served by this process.
    Inside(Doorway),
}

/// The way into what this process serves, for itself: no other process has it.
#[derive(Clone, Debug)]
pub struct Doorway(mpsc::Sender<DuplexStream>);

impl Doorway {
    /// A doorway, and where those who come through it are to be accepted.
    pub fn new() -> (Self, mpsc::Receiver<DuplexStream>) {
        let (come, accept) = mpsc::channel(BACKLOG);
        (Self(come), accept)
    }

    async fn enter(self) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(INSIDE_BUFFER);
        self.0.send(theirs).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}

impl PartialEq for Doorway {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Dial {
    /// A channel that connects when it is first used, to `at` if that is given, else to the host of its address. `landed` is
    /// told of each connection, and keeps what it returns for as long as that is open.
    pub(crate) fn channel<L, G>(self, endpoint: &Endpoint, at: Option<SocketAddr>, landed: L) -> Channel
    where
        L: Fn() -> G + Clone + Send + 'static,
        G: Send + Sync + Unpin + 'static,
    {
        endpoint.connect_with_connector_lazy(service_fn(move |to: Uri| {
            let (dial, landed) = (self.clone(), landed.clone());
            async move {
                let bytes = tokio::time::timeout(CONNECT_TIMEOUT, dial.connect(&to, at))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    .map_err(NoConnection)?;
                Ok::<_, NoConnection>(TokioIo::new(Wire { bytes, _guard: landed() }))
            }
        }))
    }

    async fn connect(self, to: &Uri, at: Option<SocketAddr>) -> io::Result<Box<dyn Bytes>> {
        Ok(match self {
            Self::Plain => Box::new(reach(to, at, HTTP).await?),
            Self::Tls { client, name } => Box::new(handshake(&client, name, to, at).await?),
            Self::Inside(doorway) => Box::new(doorway.enter().await?),
        })
    }
}

/// There is no connection, so nothing of a call has left.
#[derive(Debug, thiserror::Error)]
#[error("no connection")]
pub(crate) struct NoConnection(#[source] io::Error);

async fn reach(to: &Uri, at: Option<SocketAddr>, port: u16) -> io::Result<TcpStream> {
    let stream = match at {
        Some(at) => TcpStream::connect(at).await?,
        None => TcpStream::connect((host(to), to.port_u16().unwrap_or(port))).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Each connection takes the certificates that are in the files by then.
async fn handshake(
    client: &tls::Client,
    name: Option<ServerName<'static>>,
    to: &Uri,
    at: Option<SocketAddr>,
) -> io::Result<TlsStream<TcpStream>> {
    let name = match name {
        Some(name) => name,
        None => ServerName::try_from(host(to).to_owned()).map_err(io::Error::other)?,
    };
    TlsConnector::from(client.config()).connect(name, reach(to, at, HTTPS).await?).await
}

/// The host of an address, without the brackets of IPv6.
pub(crate) fn host(of: &Uri) -> &str {
    of.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// The port of an address.
pub(crate) fn port(of: &Uri) -> u16 {
    of.port_u16().unwrap_or(if of.scheme_str() == Some("https") { HTTPS } else { HTTP })
}

/// Bytes in both directions.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection, together with something that is to last as long as it.
struct Wire<G> {
    bytes: Box<dyn Bytes>,
    _guard: G,
}

impl<G: Unpin> AsyncRead for Wire<G> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(cx, into)
    }
}

impl<G: Unpin> AsyncWrite for Wire<G> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}
