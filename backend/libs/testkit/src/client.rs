//! Clients that call as somebody.

use std::net::SocketAddr;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A channel to a service under test; it connects at the first call.
pub fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy()
}

/// Calls with a token, or without any. Made for `GeneratedClient::with_interceptor(channel, As::token(…))`.
#[derive(Clone)]
pub struct As(Option<MetadataValue<Ascii>>);

/// The channel type of a client that calls as somebody.
pub type Authorized = InterceptedService<Channel, As>;

impl As {
    /// Calls with this access token.
    pub fn token(token: &str) -> Self {
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().expect("a token is a header value");
        value.set_sensitive(true);
        Self(Some(value))
    }

    /// Calls without a token.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// This caller's view of `channel`.
    pub fn on(self, channel: Channel) -> Authorized {
        InterceptedService::new(channel, self)
    }
}

impl Interceptor for As {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}
