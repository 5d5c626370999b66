//! What lies in a database and must not be read there (message contents, signing keys, TOTP secrets) is sealed with that
//! database's [`RootKey`], which lies beside it, wrapped by a [`MasterKey`] that does not. So another master key means wrapping
//! one key anew (docs/adr/0012).
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce: a [`MasterKey`] seals few records, far below the 2³² where a
//! random nonce becomes a risk. The associated data binds a sealed value to its row, so that it can't be moved to another.

mod content;
mod masters;
mod root;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub use content::{ContentKey, SEAL_BYTES};
pub use masters::{MasterKeys, WRAPPED_BYTES};
pub use root::{RootKey, RootKeyError};

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The master key is no base64 of 32 bytes.
    #[error("a master key is 32 bytes in base64, such as `openssl rand -base64 32` prints")]
    Key,
    /// The cipher failed to seal.
    #[error("sealing failed")]
    Seal,
    /// Damaged, moved to another row, or sealed with another master key.
    #[error("a sealed value can't be opened: it is damaged or was sealed with another master key")]
    Open,
}

/// A key of 32 bytes from outside the databases. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// Reads a key of 32 bytes in base64.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| Error::Key)?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::Key)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// A new random key, in base64.
    pub fn generate_base64() -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(random().as_slice()))
    }

    /// Seals `plaintext`; the same `context` must be given to open it.
    ///
    /// # Errors
    /// [`Error::Seal`] if the cipher fails.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut text = plaintext.to_vec();
        let nonce = self.cipher().seal_in_place_append_tag(Aad::from(context), &mut text).map_err(|_| Error::Seal)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made with the same context.
    ///
    /// # Errors
    /// [`Error::Open`] if it was damaged, moved or sealed with another key.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Error::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Open)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.cipher().open_in_place(nonce, Aad::from(context), &mut text).map_err(|_| Error::Open)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// A key for another purpose (HKDF-SHA256, RFC 5869): it tells nothing of the master key or of other purposes' keys.
    pub fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let mut key = Zeroizing::new([0; 32]);
        // The master key is random already, so it needs no extraction step.
        let expanded = Prk::new_less_safe(HKDF_SHA256, self.0.as_slice())
            .expand(&[purpose], Length)
            .map(|okm| okm.fill(key.as_mut_slice()));
        expanded.and_then(|filled| filled).expect("32 bytes are within what HKDF gives");
        key
    }

    fn cipher(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice()).expect("the key has the cipher's length")
    }
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0u8; 32]);
    aws_lc_rs::rand::fill(key.as_mut_slice()).expect("the system's random source does not fail");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_context() {
        let key = MasterKey::from_base64(&MasterKey::generate_base64()).expect("valid");
        let other = MasterKey::from_base64(&MasterKey::generate_base64()).expect("valid");
        let sealed = key.seal(b"totp:1", b"secret").expect("sealed");
        assert_eq!(key.open(b"totp:1", &sealed).expect("opened").as_slice(), b"secret");
        assert!(key.open(b"totp:2", &sealed).is_err());
        assert!(other.open(b"totp:1", &sealed).is_err());
        let mut damaged = sealed.clone();
        damaged[15] ^= 1;
        assert!(key.open(b"totp:1", &damaged).is_err());
        assert!(key.open(b"totp:1", b"short").is_err());
        assert!(MasterKey::from_base64("c2hvcnQ=").is_err());
    }

    #[test]
    fn derived_keys_differ_by_master_key_and_purpose() {
        let (one, other) = (MasterKey::generate_base64(), MasterKey::generate_base64());
        let key = |text: &str| MasterKey::from_base64(text).expect("valid");
        assert_eq!(key(&one).derive(b"a"), key(&one).derive(b"a"));
        assert_ne!(key(&one).derive(b"a"), key(&one).derive(b"b"));
        assert_ne!(key(&one).derive(b"a"), key(&other).derive(b"a"));
    }
}
