//! From the name of a peer to its addresses.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tonic::codegen::BoxFuture;

type Lookup = dyn Fn(String, u16) -> BoxFuture<Vec<SocketAddr>, io::Error> + Send + Sync;

/// Looks names up.
#[derive(Clone)]
pub struct Resolver(Arc<Lookup>);

impl Resolver {
    /// A resolver that asks `lookup` for the addresses of a host and port.
    pub fn new<F>(lookup: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host, port| Box::pin(lookup(host, port))))
    }

    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (self.0)(host.to_owned(), port).await
    }
}

impl Default for Resolver {
    /// The system's.
    fn default() -> Self {
        Self::new(async |host, port| Ok(tokio::net::lookup_host((host, port)).await?.collect()))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}
