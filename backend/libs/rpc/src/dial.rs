//! How a peer is reached.

use std::io;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{DuplexStream, duplex};
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
const HTTPS: u16 = 443;

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

    async fn enter(self) -> io::Result<TokioIo<DuplexStream>> {
        let (ours, theirs) = duplex(INSIDE_BUFFER);
        self.0.send(theirs).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(TokioIo::new(ours))
    }
}

impl PartialEq for Doorway {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Dial {
    /// A channel that connects when it is first used.
    pub(crate) fn channel(self, endpoint: &Endpoint) -> Channel {
        match self {
            Self::Plain => endpoint.connect_lazy(),
            Self::Tls { client, name } => endpoint.connect_with_connector_lazy(service_fn(move |to: Uri| {
                let (client, name) = (client.clone(), name.clone());
                async move { handshake(&client, name, &to).await.map(TokioIo::new) }
            })),
            Self::Inside(doorway) => {
                endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| doorway.clone().enter()))
            }
        }
    }
}

/// Each connection takes the certificates that are in the files by then.
async fn handshake(
    client: &tls::Client,
    name: Option<ServerName<'static>>,
    to: &Uri,
) -> io::Result<TlsStream<TcpStream>> {
    let host = to.host().unwrap_or_default().trim_matches(['[', ']']);
    let name = match name {
        Some(name) => name,
        None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
    };
    let stream = TcpStream::connect((host, to.port_u16().unwrap_or(HTTPS))).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(client.config()).connect(name, stream).await
}
