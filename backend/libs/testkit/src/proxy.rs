//! A TCP proxy that breaks when told to: between a service and what it needs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Where a proxy sends what it gets.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket, such as PostgreSQL's.
    Unix(PathBuf),
}

/// A proxy on a port of its own.
pub struct ChaosProxy {
    /// Where to connect instead.
    pub address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Through,
    Cut,
    Frozen,
}

impl ChaosProxy {
    /// A proxy in front of `upstream`.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start(upstream: Upstream) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mode = Arc::new(watch::Sender::new(Mode::Through));
        let state = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, mut mode) = (upstream.clone(), state.subscribe());
                tokio::spawn(async move {
                    let relay = async {
                        match upstream {
                            Upstream::Tcp(address) => relay(client, TcpStream::connect(address).await).await,
                            Upstream::Unix(path) => relay(client, UnixStream::connect(path).await).await,
                        }
                    };
                    let mut relay = std::pin::pin!(relay);
                    let is_frozen = tokio::select! {
                        biased;
                        broken = mode.wait_for(|mode| *mode != Mode::Through) => broken.is_ok_and(|mode| *mode == Mode::Frozen),
                        () = &mut relay => false,
                    };
                    if is_frozen {
                        std::future::pending::<()>().await; // both ends stay open, and nobody reads them
                    }
                    // dropping both ends cuts them
                });
            }
        });
        Self { address, mode }
    }

    /// A proxy in front of the PostgreSQL that `url` names, and the address to use instead.
    ///
    /// # Panics
    /// If the address is none of PostgreSQL's.
    pub async fn before_postgres(url: &str) -> (Self, String) {
        let options: sqlx::postgres::PgConnectOptions = url.parse().expect("a database address");
        let upstream = match options.get_socket() {
            Some(folder) => Upstream::Unix(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => {
                Upstream::Tcp(format!("{}:{}", options.get_host(), options.get_port()).parse().expect("an IP address"))
            }
        };
        let proxy = Self::start(upstream).await;
        let database = options.get_database().unwrap_or("postgres");
        let user = options.get_username();
        let url = format!("postgres://{user}@{}/{database}?sslmode=disable", proxy.address);
        (proxy, url)
    }

    /// Cuts every connection, and each new one, until [`Self::mend`].
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Lets every connection, and each new one until [`Self::mend`], stay open with nothing passing any more: a host that
    /// has vanished without a word. A connection that was frozen stays so for ever.
    pub fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.mode.send_replace(Mode::Through);
    }
}

async fn relay(mut client: TcpStream, upstream: std::io::Result<impl AsyncRead + AsyncWrite + Unpin>) {
    if let Ok(mut upstream) = upstream {
        let _ = copy_bidirectional(&mut client, &mut upstream).await;
    }
}
