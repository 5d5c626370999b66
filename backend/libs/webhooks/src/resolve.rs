//! Names to network addresses.

use std::io;
use std::net::IpAddr;

use futures::future::BoxFuture;

/// What finds the network addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a name, in the order in which they should be tried.
    ///
    /// # Errors
    /// If the name has none, or nobody can say.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}
