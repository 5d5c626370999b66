//! An authority of one's own, for trying TLS out and for tests.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use zeroize::Zeroizing;

/// How long an authority lives.
const AUTHORITY_LIFE: TimeDelta = TimeDelta::days(5 * 365);

/// Signs certificates. ECDSA on P-256, which everything understands.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate and key in PEM.
    pub own: Issued,
}

/// A certificate and its private key, both in PEM.
pub struct Issued {
    /// Its certificate.
    pub certificate: String,
    /// Its key; wiped from memory when dropped.
    pub key: Zeroizing<String>,
}

impl Authority {
    /// A new authority of this name, good from the day of `now`.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new(name: &str, now: DateTime<Utc>) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        live(&mut params, now, now + AUTHORITY_LIFE);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let own = Issued { certificate, key: Zeroizing::new(key.serialize_pem()) };
        Ok(Self { issuer: Issuer::new(params, key), own })
    }

    /// A certificate for a server and a client of these names, DNS names or addresses, good from the day of `from` to that of
    /// `until`. The first is who it is as a client.
    ///
    /// # Errors
    /// If a name is none, or no key can be made.
    pub fn issue(&self, names: &[&str], from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Issued, rcgen::Error> {
        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or_default());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        live(&mut params, from, until);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: Zeroizing::new(key.serialize_pem()) })
    }
}

/// Whole days, so that clocks may differ by some hours.
fn live(params: &mut CertificateParams, from: DateTime<Utc>, until: DateTime<Utc>) {
    let day = |at: DateTime<Utc>| {
        let (month, day) = (u8::try_from(at.month()), u8::try_from(at.day()));
        rcgen::date_time_ymd(at.year(), month.expect("1 to 12"), day.expect("1 to 31"))
    };
    (params.not_before, params.not_after) = (day(from), day(until));
}
