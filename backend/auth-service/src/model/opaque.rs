//! Opaque tokens: random, shown once, stored only as hashes.

use std::fmt;

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const LENGTH: usize = 32;

/// The text is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a token of 43 characters")]
pub struct OpaqueTokenError;

/// What the database knows of a token: its SHA-256. A token has 256 random bits, so it needs no slow hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of any secret that is long and random.
    pub fn of(secret: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, secret);
        Self(hash.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes, as SQL takes them.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// The token of a mail. Its `Debug` form hides it, and it is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken(Zeroizing<[u8; LENGTH]>);

impl OpaqueToken {
    /// A new random token.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// Reads a token as it was handed out.
    ///
    /// # Errors
    /// [`OpaqueTokenError`] for anything that can't have been handed out.
    pub fn parse(text: &str) -> Result<Self, OpaqueTokenError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        // Two more than fit: the decoder wants room for what it might find.
        let mut buffer = Zeroizing::new([0; LENGTH + 2]);
        if text.len() != 43 {
            return Err(OpaqueTokenError);
        }
        match URL_SAFE_NO_PAD.decode_slice(text, buffer.as_mut_slice()) {
            Ok(LENGTH) => bytes.copy_from_slice(&buffer[..LENGTH]),
            _ => return Err(OpaqueTokenError),
        }
        Ok(Self(bytes))
    }

    /// The token as it is handed out.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_slice())
    }

    /// What the database keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_slice())
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(…)")
    }
}

/// Bytes from the system's random source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random source does not fail");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_survives_the_way_out_and_in() {
        let token = OpaqueToken::generate();
        assert_eq!(token.reveal().len(), 43);
        assert_eq!(OpaqueToken::parse(&token.reveal()), Ok(token.clone()));
        assert_ne!(token, OpaqueToken::generate());
        assert!(!format!("{token:?}").contains(&token.reveal()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            if let Ok(token) = OpaqueToken::parse(&text) {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
