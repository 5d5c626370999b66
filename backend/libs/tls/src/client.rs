//! The side that calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use zeroize::Zeroizing;

use crate::watched::Watched;
use crate::{Certificate, Fault, pem, provider};

/// The files of who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// PEM: the authorities whose servers are believed.
    pub ca: PathBuf,
    /// PEM: our own certificate with those between it and the authority, and its private key; for servers that ask.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What servers are called with; gRPC's HTTP/2 and nothing else. Cheap to clone.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Watched<Loaded>>);

/// What was made of the files.
pub(crate) struct Loaded {
    config: Arc<ClientConfig>,
    pub identity: Option<Certificate>,
}

impl Client {
    /// Reads the files once. A [`Store`](crate::Store) opens them to be read again.
    ///
    /// # Errors
    /// [`Fault`] if a file is missing or does not hold what it should.
    pub fn open(files: &ClientFiles) -> Result<Self, Fault> {
        let mut paths = vec![files.ca.clone()];
        if let Some((certificate, key)) = &files.identity {
            paths.extend([certificate.clone(), key.clone()]);
        }
        let files = files.clone();
        Ok(Self(Arc::new(Watched::open(paths, move |contents| load(&files, contents))?)))
    }

    /// For tools on the server's own machine, which can read the file that the server shows: that certificate is believed,
    /// whatever name it is for and whoever signed it, and no other.
    ///
    /// # Errors
    /// [`Fault`] if the file is missing or holds no certificate.
    pub fn of_server_with(certificate: &Path) -> Result<Self, Fault> {
        let path = certificate.to_path_buf();
        let load = move |contents: &[Zeroizing<Vec<u8>>]| {
            let expected = pem::certificates(&path, &contents[0])?.swap_remove(0);
            let builder = builder(&path)?;
            let mut config =
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Exactly(expected))).with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec()];
            Ok(Loaded { config: Arc::new(config), identity: None })
        };
        Ok(Self(Arc::new(Watched::open(vec![certificate.to_path_buf()], load)?)))
    }

    /// What the next server is called with.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.current().config)
    }

    /// Our own certificate, if there is one.
    pub fn identity(&self) -> Option<Certificate> {
        self.0.current().identity.clone()
    }
}

fn builder(path: &Path) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Fault> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| Fault::Unusable { path: path.to_path_buf(), source })
}

fn load(files: &ClientFiles, contents: &[Zeroizing<Vec<u8>>]) -> Result<Loaded, Fault> {
    let builder = builder(&files.ca)?.with_root_certificates(pem::roots(&files.ca, &contents[0])?);
    let (mut config, identity) = match &files.identity {
        None => (builder.with_no_client_auth(), None),
        Some((path, key)) => {
            let chain = pem::certificates(path, &contents[1])?;
            let identity = Certificate::read(&chain[0]).ok_or(Fault::NoCertificate(path.clone()))?;
            let key = pem::key(key, &contents[2])?;
            let config = builder.with_client_auth_cert(chain, key);
            (config.map_err(|source| Fault::Unusable { path: path.clone(), source })?, Some(identity))
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Loaded { config: Arc::new(config), identity })
}

/// Believes one certificate, of which the server still has to prove that it has the key.
#[derive(Debug)]
struct Exactly(CertificateDer<'static>);

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
