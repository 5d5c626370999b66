//! What a certificate says.

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The part of a certificate that Nova looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its names: every dNSName among the subject's alternative names (RFC 5280), in their order.
    pub names: Vec<String>,
    /// From then on nobody believes it.
    pub expires_at: DateTime<Utc>,
}

impl Certificate {
    /// Reads a certificate in DER. None if it is damaged; one that a handshake has verified is not.
    pub fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let expires_at = DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|found| &found.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        Some(Self { names: names.collect(), expires_at })
    }
}
