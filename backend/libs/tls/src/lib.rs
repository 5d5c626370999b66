//! Certificates and keys in files, and what rustls makes of them: for ports, for calls to peers, read again when they change.

mod authority;
mod certificate;
mod client;
mod fault;
mod pem;
mod server;
mod store;
mod watched;

pub use authority::{Authority, Issued};
pub use certificate::Certificate;
pub use client::{Client, ClientFiles};
pub use fault::Fault;
pub use server::{AskClients, Server, ServerFiles};
pub use store::Store;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cryptography: the same library that signs tokens and seals keys.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}
