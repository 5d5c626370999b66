//! TLS: of the ports that a service listens on, and of the calls that it makes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Fault, duration};

/// Where connections without TLS are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plaintext {
    /// Within this machine.
    #[default]
    Loopback,
    /// Everywhere: a proxy – an ingress, the sidecar of a mesh – does TLS for this service.
    BehindAProxy,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Those who have one do: people have tokens, services have both.
    #[default]
    Optional,
    /// Everyone does.
    Required,
}

/// `[<service>.listen.tls]`: TLS on a service's ports. Files are read again when they change.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenTls {
    /// File of the certificate in PEM, followed by those between it and its authority. Empty: no TLS.
    pub certificate: PathBuf,
    /// File of its private key in PEM.
    pub key: PathBuf,
    /// File of the authorities, in PEM, that sign clients' certificates. Empty: clients are asked for none.
    pub client_ca: PathBuf,
    /// Whether every client has to show a certificate.
    pub client_certificates: ClientCertificates,
    /// First names in the certificates of Nova's own services. If there are any, a service's token is believed only together
    /// with that service's certificate.
    pub service_names: Vec<String>,
    /// How long browsers are to keep to HTTPS for this host (Strict-Transport-Security, RFC 6797); 0s says nothing.
    #[serde(with = "duration")]
    pub hsts: Duration,
}

impl Default for ListenTls {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            client_ca: PathBuf::new(),
            client_certificates: ClientCertificates::Optional,
            service_names: vec![],
            hsts: Duration::from_secs(365 * 24 * 3600),
        }
    }
}

impl ListenTls {
    /// The files, if there is TLS.
    pub fn files(&self) -> Option<tls::ServerFiles> {
        let clients = match (path(&self.client_ca), self.client_certificates) {
            (None, _) => tls::AskClients::No,
            (Some(ca), ClientCertificates::Optional) => tls::AskClients::Optional(ca),
            (Some(ca), ClientCertificates::Required) => tls::AskClients::Required(ca),
        };
        Some(tls::ServerFiles { certificate: path(&self.certificate)?, key: self.key.clone(), clients })
    }

    /// Adds a fault for each rule that is broken. `host` is what the section listens on.
    pub(super) fn validate(&self, section: &str, host: IpAddr, plaintext: Plaintext, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, problem: String| faults.push(Fault::new(format!("{section}.tls.{key}"), problem));
        pair(&self.certificate, &self.key, &mut fault);
        let is_on = path(&self.certificate).is_some();
        if !is_on && !host.is_loopback() && plaintext == Plaintext::Loopback {
            let problem = format!(
                "must be set, and {section}.tls.key, where {section}.host is reached from other machines; or set \
                 {section}.plaintext = \"behind-a-proxy\" if a proxy or mesh before it does TLS"
            );
            fault("certificate", problem);
        }
        let asks = path(&self.client_ca).is_some();
        if asks && !is_on {
            fault("client_ca", "needs certificate and key".to_owned());
        }
        if !asks && self.client_certificates == ClientCertificates::Required {
            fault("client_certificates", "needs client_ca".to_owned());
        }
        if !asks && !self.service_names.is_empty() {
            fault("service_names", "needs client_ca".to_owned());
        }
        if self.service_names.iter().any(String::is_empty) {
            fault("service_names", "must be names such as user-service".to_owned());
        }
    }
}

/// `[<service>.peers.tls]`: whom a service believes when it calls others, and what it shows them. Files are read again when
/// they change.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeersTls {
    /// File of the authorities, in PEM, that sign the peers' certificates. Needed for `https://` addresses.
    pub ca: PathBuf,
    /// File of the certificate, in PEM, that the service shows its peers. Empty: none.
    pub certificate: PathBuf,
    /// File of its private key in PEM.
    pub key: PathBuf,
}

impl PeersTls {
    /// The files, if peers are called over TLS.
    pub fn files(&self) -> Option<tls::ClientFiles> {
        let identity = path(&self.certificate).map(|certificate| (certificate, self.key.clone()));
        Some(tls::ClientFiles { ca: path(&self.ca)?, identity })
    }

    /// Adds a fault for each rule that is broken.
    pub fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, problem: String| faults.push(Fault::new(format!("{section}.tls.{key}"), problem));
        pair(&self.certificate, &self.key, &mut fault);
        if path(&self.certificate).is_some() && path(&self.ca).is_none() {
            fault("ca", "must be set too: the peers' certificates are checked with it".to_owned());
        }
    }

    /// Adds a fault if the address `url` of key `name`_url can't be called like this.
    pub fn validate_peer(
        &self,
        section: &str,
        (name, url): (&str, &str),
        certificate_name: &str,
        plaintext: Plaintext,
        faults: &mut Vec<Fault>,
    ) {
        let mut fault = |key: &str, problem: String| faults.push(Fault::new(format!("{section}.{key}"), problem));
        let key = format!("{name}_url");
        let parsed = url.parse::<http::Uri>().ok().and_then(|uri| Some((uri.scheme_str()?.to_owned(), uri)));
        match parsed.as_ref().map(|(scheme, uri)| (scheme.as_str(), uri.host().unwrap_or_default())) {
            Some(("http", host)) if plaintext == Plaintext::Loopback && !is_loopback(host) => {
                let problem = format!(
                    "must begin with https:// where it leads to another machine; or set {section}.plaintext = \
                     \"behind-a-proxy\" if a proxy or mesh between the two does TLS"
                );
                fault(&key, problem);
            }
            Some(("https", _)) if path(&self.ca).is_none() => {
                fault("tls.ca", format!("must be set where {section}.{key} begins with https://"));
            }
            Some(("http" | "https", _)) => {}
            _ => fault(&key, "must be an address such as http://127.0.0.1:9080".to_owned()),
        }
        if !certificate_name.is_empty() && ServerName::try_from(certificate_name).is_err() {
            fault(&format!("{name}_name"), "must be a name that a certificate can be for".to_owned());
        }
    }
}

/// Certificate and key come together.
fn pair(certificate: &Path, key: &Path, fault: &mut impl FnMut(&str, String)) {
    match (path(certificate), path(key)) {
        (Some(_), None) => fault("key", "must be set too: it belongs to the certificate".to_owned()),
        (None, Some(_)) => fault("certificate", "must be set too: the key belongs to it".to_owned()),
        _ => {}
    }
}

/// None for an empty path: the key is not set.
fn path(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_path_buf())
}

/// Whether a host of an address is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
