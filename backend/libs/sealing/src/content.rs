//! The key that one person's words in one conversation are sealed with.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::Error;

/// Bytes that sealing adds: nonce and tag.
pub const SEAL_BYTES: usize = NONCE_LEN + 16;

/// Derived of the person's key and the conversation's (HKDF-SHA256, RFC 5869): without either there is nothing to read.
pub struct ContentKey {
    cipher: RandomizedNonceKey,
    fingerprints: hmac::Key,
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

impl ContentKey {
    /// The key of a person in a conversation.
    pub fn derive(person: &[u8; 32], conversation: &[u8; 32]) -> Self {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let prk = Salt::new(HKDF_SHA256, conversation).extract(person);
        let expand = |purpose: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            let purpose = [purpose];
            let filled = prk.expand(&purpose, Length).and_then(|okm| okm.fill(key.as_mut_slice()));
            filled.expect("32 bytes are within what HKDF gives");
            key
        };
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, expand(b"nova: contents").as_slice());
        let fingerprints = hmac::Key::new(hmac::HMAC_SHA256, expand(b"nova: fingerprints of contents").as_slice());
        Self { cipher: cipher.expect("the key has the cipher's length"), fingerprints }
    }

    /// Seals `plaintext`; the same `context` must be given to open it.
    ///
    /// # Errors
    /// [`Error::Seal`] if the cipher fails.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut sealed = Vec::with_capacity(SEAL_BYTES + plaintext.len());
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(plaintext);
        let (nonce, tag) = self
            .cipher
            .seal_in_place_separate_tag(Aad::from(context), &mut sealed[NONCE_LEN..])
            .map_err(|_| Error::Seal)?;
        sealed[..NONCE_LEN].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made with the same context.
    ///
    /// # Errors
    /// [`Error::Open`] if it was damaged, moved or sealed with another key.
    pub fn open(&self, context: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(Error::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Open)?;
        let length = self.cipher.open_in_place(nonce, Aad::from(context), text).map_err(|_| Error::Open)?.len();
        sealed.copy_within(NONCE_LEN..NONCE_LEN + length, 0);
        sealed.truncate(length);
        Ok(sealed)
    }

    /// Begins a fingerprint that only who has the key can compare with a content.
    pub fn fingerprint(&self) -> hmac::Context {
        hmac::Context::with_key(&self.fingerprints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_opens_only_with_both_keys_and_in_its_place() {
        let key = ContentKey::derive(&[1; 32], &[2; 32]);
        let sealed = key.seal(b"message 1", "hello ✓".as_bytes()).expect("sealed");
        assert_eq!(sealed.len(), SEAL_BYTES + "hello ✓".len());
        assert_eq!(key.open(b"message 1", sealed.clone()).expect("opened"), "hello ✓".as_bytes());
        assert!(key.open(b"message 2", sealed.clone()).is_err());
        for (person, conversation) in [([3; 32], [2; 32]), ([1; 32], [3; 32]), ([2; 32], [1; 32])] {
            assert!(ContentKey::derive(&person, &conversation).open(b"message 1", sealed.clone()).is_err());
        }
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open(b"message 1", damaged).is_err(), "byte {at}");
        }
        assert!(key.open(b"message 1", vec![]).is_err() && key.open(b"message 1", vec![0; 20]).is_err());
        assert_ne!(key.seal(b"", b"x").expect("sealed"), key.seal(b"", b"x").expect("sealed"), "never the same twice");
    }
}
