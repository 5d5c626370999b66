//! One connection: its bytes as they are or under TLS, who is at the other end, and how long it may stand still.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use authn::Peer;
use metrics::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// How long a handshake may take, the wait for its turn included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at once on a port; more wait for their turn.
const MAX_HANDSHAKES: usize = 1024;

/// Bytes from a network, whose writes end in time.
type Wire = Pin<Box<TimeoutStream<TcpStream>>>;
/// Bytes that calls come in: as they are, under TLS, or from this process.
type Bytes = Either<Wire, Either<Box<TlsStream<Wire>>, DuplexStream>>;

/// A connection's place among those of its port; free again when it is dropped.
pub(crate) struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub fn new(permit: OwnedSemaphorePermit, open: &Gauge) -> Self {
        open.increment(1);
        Self { open: open.clone(), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.decrement(1);
    }
}

/// What becomes of a connection on a port.
pub(crate) struct Terms {
    tls: Option<tls::Server>,
    service_names: Arc<[String]>,
    write_timeout: Duration,
    handshakes: Semaphore,
}

impl Terms {
    /// With TLS, if the port has it. A service's token is believed only together with a certificate of one of
    /// `service_names`, if there are any. A peer that takes nothing for `write_timeout` while there is something for it is
    /// let go.
    pub fn new(tls: Option<tls::Server>, service_names: &[String], write_timeout: Duration) -> Self {
        let handshakes = Semaphore::new(MAX_HANDSHAKES);
        Self { tls, service_names: service_names.into(), write_timeout, handshakes }
    }

    /// What comes over a connection from the network, and who is at the other end.
    ///
    /// # Errors
    /// If the handshake fails or takes too long.
    pub async fn open(&self, stream: TcpStream, place: Place) -> io::Result<(Connection, Peer)> {
        // Without it a small answer may wait for the acknowledgement of the one before (Nagle).
        let _ = stream.set_nodelay(true);
        // The kernel holds much more for a peer that does not read than a heartbeat now and then fills.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_user_timeout(
            &stream,
            u32::try_from(self.write_timeout.as_millis()).unwrap_or(u32::MAX),
        );
        let mut wire = Box::pin(TimeoutStream::new(stream));
        wire.as_mut().set_write_timeout_pinned(Some(self.write_timeout));
        let Some(tls) = &self.tls else {
            return Ok((Connection { bytes: Either::Left(wire), _place: Some(place) }, self.peer(None)));
        };
        let handshake = async {
            let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
            TlsAcceptor::from(tls.config()).accept(wire).await
        };
        let stream =
            tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let peer = self.peer(Some(&stream));
        let bytes = Either::Right(Either::Left(Box::new(stream)));
        Ok((Connection { bytes, _place: Some(place) }, peer))
    }

    fn peer(&self, stream: Option<&TlsStream<Wire>>) -> Peer {
        if self.service_names.is_empty() {
            return Peer::Unasked;
        }
        let shown = stream.and_then(|stream| stream.get_ref().1.peer_certificates()?.first());
        let certificate = shown.and_then(tls::Certificate::read);
        let name = certificate.and_then(|certificate| certificate.names.into_iter().next()).map(Arc::from);
        Peer::Asked { name, services: Arc::clone(&self.service_names) }
    }
}

/// Bytes in both directions, in the connection's place for as long as anybody has them: after an upgrade to a WebSocket too.
pub(crate) struct Connection {
    bytes: Bytes,
    _place: Option<Place>,
}

impl Connection {
    /// What comes from this process itself.
    pub fn inside(stream: DuplexStream) -> Self {
        Self { bytes: Either::Right(Either::Right(stream)), _place: None }
    }

    fn bytes(self: Pin<&mut Self>) -> Pin<&mut Bytes> {
        Pin::new(&mut self.get_mut().bytes)
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.bytes().poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.bytes().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.bytes().poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes().poll_shutdown(cx)
    }
}
