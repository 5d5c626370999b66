//! Secrets and signatures as Standard Webhooks says (github.com/standard-webhooks/standard-webhooks).

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const MADE_BYTES: usize = 32;
/// What the specification allows.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The bytes are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret has 24 to 64 bytes")]
pub struct SecretError;

/// What sender and receiver of messages share. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new(vec![0; MADE_BYTES]);
        rand::fill(&mut bytes).expect("the system's random source does not fail");
        Self(bytes)
    }

    /// The one that has these bytes.
    ///
    /// # Errors
    /// If they are not as many as a secret has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        if BYTES.contains(&bytes.len()) { Ok(Self(Zeroizing::new(bytes.to_vec()))) } else { Err(SecretError) }
    }

    /// Its bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its form for people and for the libraries of receivers: `whsec_` and base64.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(self.bytes())))
    }

    /// The signature of a message: `v1,` and the HMAC-SHA256 in base64. `at` is in seconds since 1970.
    pub fn sign(&self, id: &str, at: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{at}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_other_libraries() {
        // From the tests of the Svix and Standard Webhooks libraries.
        let bytes = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("base64");
        let secret = Secret::from_bytes(&bytes).expect("a secret");
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(secret.reveal().as_str(), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        assert_eq!(
            secret.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    fn a_signature_depends_on_id_time_and_body() {
        let secret = Secret::generate();
        let one = secret.sign("a", 1, b"body");
        assert_eq!(one, secret.sign("a", 1, b"body"));
        for other in [secret.sign("b", 1, b"body"), secret.sign("a", 2, b"body"), secret.sign("a", 1, b"Body")] {
            assert_ne!(one, other);
        }
        assert_ne!(one, Secret::generate().sign("a", 1, b"body"));
    }

    #[test]
    fn a_secret_of_another_length_is_none() {
        assert_eq!(Secret::from_bytes(&[0; 23]).err(), Some(SecretError));
        assert_eq!(Secret::from_bytes(&[0; 65]).err(), Some(SecretError));
        assert!(Secret::from_bytes(Secret::generate().bytes()).is_ok());
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::generate()), "Secret(…)");
    }
}
