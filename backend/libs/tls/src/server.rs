//! The side that is called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use zeroize::Zeroizing;

use crate::watched::Watched;
use crate::{Certificate, Fault, pem, provider};

/// HTTP/2 where the client can, which gRPC needs; else HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// PEM: the server's certificate, then those between it and the authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Whether clients are asked for certificates.
    pub clients: AskClients,
}

/// Whether clients are asked for certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskClients {
    /// They are not.
    No,
    /// They may have one, of an authority in this file (PEM).
    Optional(PathBuf),
    /// They must have one, of an authority in this file (PEM).
    Required(PathBuf),
}

impl AskClients {
    fn authority(&self) -> Option<&Path> {
        match self {
            Self::No => None,
            Self::Optional(path) | Self::Required(path) => Some(path),
        }
    }
}

/// What a port answers handshakes with. Cheap to clone.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Watched<Loaded>>);

/// What was made of the files.
pub(crate) struct Loaded {
    config: Arc<ServerConfig>,
    pub certificate: Certificate,
}

impl Server {
    /// Reads the files once. A [`Store`](crate::Store) opens them to be read again.
    ///
    /// # Errors
    /// [`Fault`] if a file is missing or does not hold what it should.
    pub fn open(files: &ServerFiles) -> Result<Self, Fault> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.clients.authority().map(Path::to_path_buf));
        let files = files.clone();
        Ok(Self(Arc::new(Watched::open(paths, move |contents| load(&files, contents))?)))
    }

    /// What the next handshake is answered with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current().config)
    }

    /// The certificate that is shown.
    pub fn certificate(&self) -> Certificate {
        self.0.current().certificate.clone()
    }
}

fn load(files: &ServerFiles, contents: &[Zeroizing<Vec<u8>>]) -> Result<Loaded, Fault> {
    let chain = pem::certificates(&files.certificate, &contents[0])?;
    let key = pem::key(&files.key, &contents[1])?;
    let certificate = Certificate::read(&chain[0]).ok_or(Fault::NoCertificate(files.certificate.clone()))?;
    let unusable = |source| Fault::Unusable { path: files.certificate.clone(), source };
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match files.clients.authority() {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(pem::roots(path, &contents[2])?);
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            if let AskClients::Optional(_) = files.clients {
                verifier = verifier.allow_unauthenticated();
            }
            let none = |e: rustls::server::VerifierBuilderError| Fault::NoAuthority {
                path: path.to_path_buf(),
                problem: e.to_string(),
            };
            builder.with_client_cert_verifier(verifier.build().map_err(none)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Loaded { config: Arc::new(config), certificate })
}
