//! Channels to the services of a [`World`](crate::World).

use std::net::SocketAddr;

use hyper_util::rt::TokioIo;
use rpc::{Dial, Peer};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};

use crate::ServiceName;
use crate::own::{Tls, certificate_name};
use crate::world::START_WITHIN;

/// A channel that asks for the address each time it connects: services come back on other ports.
pub fn channel(address: impl Fn() -> SocketAddr + Clone + Send + 'static) -> Channel {
    let connector = tower::service_fn(move |_: http::Uri| {
        let address = address();
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://service.test").connect_with_connector_lazy(connector)
}

/// A channel over TLS, shown the certificate of service `who`, or none.
pub fn tls_channel(to: SocketAddr, service: ServiceName, tls: &Tls, who: Option<ServiceName>) -> Channel {
    let name = ServerName::try_from(certificate_name(service)).expect("a name");
    let client = tls::Client::open(&tls.client_files(who)).expect("good files");
    let dial = Dial::Tls { client, name: Some(name) };
    Peer { url: format!("https://{to}"), dial, timeout: START_WITHIN }.channel().expect("an address")
}
