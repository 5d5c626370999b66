//! Refresh tokens: the session that they belong to, a secret, and a tag that shows that we made them.
//!
//! The tag lets the row of a used token go long before the token expires: a token with a right tag that is in no row was
//! used before. Nobody makes such a tag without the master key, so a guessed session id ends no session.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::SessionId;
use sealing::MasterKey;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::TokenHash;
use super::opaque::random_bytes;

const SESSION: usize = 16;
const SECRET: usize = 32;
const TAG: usize = 16;
const LENGTH: usize = SESSION + SECRET + TAG;
/// In base64url.
const CHARACTERS: usize = 86;

/// The text is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a token of {CHARACTERS} characters")]
pub struct RefreshTokenError;

/// A refresh token. Its `Debug` form hides it, and it is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(Zeroizing<[u8; LENGTH]>);

impl RefreshToken {
    /// Reads a token as it was handed out. Whether it was is another question: [`RefreshKey::made`].
    ///
    /// # Errors
    /// [`RefreshTokenError`] for anything that can't have been handed out.
    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        if text.len() != CHARACTERS {
            return Err(RefreshTokenError);
        }
        // More than fits: the decoder wants room for what it might find.
        let mut buffer = Zeroizing::new([0; LENGTH + 2]);
        match URL_SAFE_NO_PAD.decode_slice(text, buffer.as_mut_slice()) {
            Ok(LENGTH) => {
                let mut bytes = Zeroizing::new([0; LENGTH]);
                bytes.copy_from_slice(&buffer[..LENGTH]);
                Ok(Self(bytes))
            }
            _ => Err(RefreshTokenError),
        }
    }

    /// The token as it is handed out.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_slice())
    }

    /// What the database keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_slice())
    }

    /// The session that it says it belongs to.
    pub fn session(&self) -> SessionId {
        let bytes: [u8; SESSION] = self.0[..SESSION].try_into().expect("the token is longer than an id");
        Uuid::from_bytes(bytes).into()
    }

    fn secret(&self) -> &[u8] {
        &self.0[SESSION..SESSION + SECRET]
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// Makes refresh tokens, and tells which ones it made.
pub struct RefreshKey(hmac::Key);

impl RefreshKey {
    /// The key of an installation.
    pub fn of(master: &MasterKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, master.derive(b"refresh tokens").as_slice()))
    }

    /// The first token of a session.
    pub fn first(&self, session: SessionId) -> RefreshToken {
        self.make(session, &Zeroizing::new(random_bytes()))
    }

    /// The token that follows another. Who has that and the stored salt gets the same successor again; the salt alone tells
    /// nothing, so the database still holds no token.
    pub fn successor(&self, token: &RefreshToken, salt: &[u8]) -> RefreshToken {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret());
        let secret = hmac::sign(&key, salt);
        let secret: [u8; SECRET] = secret.as_ref().try_into().expect("an HMAC-SHA-256 has 32 bytes");
        self.make(token.session(), &Zeroizing::new(secret))
    }

    /// Whether this key made the token.
    pub fn made(&self, token: &RefreshToken) -> bool {
        let (body, tag) = token.0.split_at(SESSION + SECRET);
        verify_slices_are_equal(&self.tag(body), tag).is_ok()
    }

    fn make(&self, session: SessionId, secret: &[u8; SECRET]) -> RefreshToken {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..SESSION].copy_from_slice(session.uuid().as_bytes());
        bytes[SESSION..SESSION + SECRET].copy_from_slice(secret);
        let tag = self.tag(&bytes[..SESSION + SECRET]);
        bytes[SESSION + SECRET..].copy_from_slice(&tag);
        RefreshToken(bytes)
    }

    fn tag(&self, body: &[u8]) -> [u8; TAG] {
        hmac::sign(&self.0, body).as_ref()[..TAG].try_into().expect("an HMAC-SHA-256 is longer than a tag")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> RefreshKey {
        RefreshKey::of(&MasterKey::from_base64(&MasterKey::generate_base64()).expect("valid"))
    }

    fn session() -> SessionId {
        SessionId::generate(chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("valid"))
    }

    #[test]
    fn a_token_survives_the_way_out_and_in() {
        let (key, session) = (key(), session());
        let token = key.first(session);
        assert_eq!(token.reveal().len(), CHARACTERS);
        assert_eq!(RefreshToken::parse(&token.reveal()), Ok(token.clone()));
        assert_eq!(token.session(), session);
        assert_ne!(token, key.first(session));
        assert!(!format!("{token:?}").contains(&token.reveal()));
    }

    #[test]
    fn the_successor_needs_both_token_and_salt() {
        let (key, session) = (key(), session());
        let (one, other) = (key.first(session), key.first(session));
        assert_eq!(key.successor(&one, b"salt"), key.successor(&one, b"salt"));
        assert_ne!(key.successor(&one, b"salt"), key.successor(&one, b"pepper"));
        assert_ne!(key.successor(&one, b"salt"), key.successor(&other, b"salt"));
        let successor = key.successor(&one, b"salt");
        assert!(successor != one && successor.session() == session && key.made(&successor));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9_-]{84,88}|\\PC{0,100}") {
            if let Ok(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(token.reveal(), text);
                prop_assert!(!key().made(&token));
            }
        }

        #[test]
        fn a_token_that_was_tampered_with_is_not_ours(at in 0..LENGTH, bit in 0..8_u32) {
            let key = key();
            let mut token = key.first(session());
            prop_assert!(key.made(&token));
            token.0[at] ^= 1 << bit;
            prop_assert!(!key.made(&token));
        }
    }
}
