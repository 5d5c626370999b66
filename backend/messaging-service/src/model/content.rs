//! What a message says: a text, or something that only the clients can read.

use aws_lc_rs::hmac;
use ids::{ConversationId, UserId};

use super::{ClientId, Limits};

const NONCE_BYTES: std::ops::RangeInclusive<usize> = 12..=32;
/// Half of an HMAC-SHA256: enough that nobody meets a second content with the same hash by chance.
const HASH_BYTES: usize = 16;

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Plain text: not empty, no NUL.
    Text(String),
    /// Encrypted by the client; passed through as it is.
    Encrypted(Encrypted),
    /// A text as it lies in the database; the vault opens it before anybody is shown it.
    Sealed(Vec<u8>),
    /// A text that nobody can read any more: its author's key has been destroyed.
    Erased,
}

/// A content as it is written: nothing that anybody could read who has only the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A text, sealed.
    Sealed(Vec<u8>),
    /// Encrypted by the client.
    Encrypted(Encrypted),
}

/// Content that the clients have encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// The nonce.
    pub nonce: Vec<u8>,
    /// The clients' number for how it was encrypted.
    pub version: i32,
}

/// Content out of bounds; [`ContentError::path`] tells where in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Neither a text nor encrypted content.
    #[error("must be set, or encrypted must be")]
    Missing,
    /// Both a text and encrypted content.
    #[error("must not be set together with the text")]
    Both,
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text is too long.
    #[error("must have at most {0} bytes")]
    TooLong(usize),
    /// The text holds U+0000.
    #[error("must not contain U+0000")]
    Nul,
    /// The ciphertext is empty or too long.
    #[error("must have 1 to {0} bytes")]
    Ciphertext(usize),
    /// The nonce is too short or too long.
    #[error("must have {start} to {end} bytes", start = NONCE_BYTES.start(), end = NONCE_BYTES.end())]
    Nonce,
    /// The encryption version is not positive.
    #[error("must be at least 1")]
    Version,
}

impl ContentError {
    /// The faulty field's path, in a request whose text field is called `text`.
    pub fn path(self, text: &'static str) -> &'static str {
        match self {
            Self::Missing | Self::Empty | Self::TooLong(_) | Self::Nul => text,
            Self::Both => "encrypted",
            Self::Ciphertext(_) => "encrypted.ciphertext",
            Self::Nonce => "encrypted.nonce",
            Self::Version => "encrypted.encryption_version",
        }
    }
}

impl Content {
    /// Takes what a request holds: exactly one of the two.
    ///
    /// # Errors
    /// [`ContentError`] says which field is out of bounds.
    pub fn parse(text: Option<String>, encrypted: Option<Encrypted>, limits: &Limits) -> Result<Self, ContentError> {
        match (text, encrypted) {
            (None, None) => Err(ContentError::Missing),
            (Some(_), Some(_)) => Err(ContentError::Both),
            (Some(text), None) => Self::text(text, limits.content_bytes),
            (None, Some(encrypted)) => Self::encrypted(encrypted, limits.content_bytes),
        }
    }

    fn text(text: String, max: usize) -> Result<Self, ContentError> {
        if text.is_empty() {
            return Err(ContentError::Empty);
        }
        if text.len() > max {
            return Err(ContentError::TooLong(max));
        }
        if text.contains('\0') {
            return Err(ContentError::Nul);
        }
        Ok(Self::Text(text))
    }

    fn encrypted(encrypted: Encrypted, max: usize) -> Result<Self, ContentError> {
        if !(1..=max).contains(&encrypted.ciphertext.len()) {
            return Err(ContentError::Ciphertext(max));
        }
        if !NONCE_BYTES.contains(&encrypted.nonce.len()) {
            return Err(ContentError::Nonce);
        }
        if encrypted.version < 1 {
            return Err(ContentError::Version);
        }
        Ok(Self::Encrypted(encrypted))
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Encrypted(encrypted) => encrypted.ciphertext.len() + encrypted.nonce.len(),
            Self::Sealed(sealed) => sealed.len(),
            Self::Erased => 0,
        }
    }

    /// A fingerprint by which a retry is told from a reused client id. It is made with a key (`hash` has been begun with it)
    /// and of the message's place, so that nobody can guess a content by it, and equal texts do not look equal.
    pub fn hash(
        &self,
        mut hash: hmac::Context,
        conversation: ConversationId,
        sender: UserId,
        client_id: &ClientId,
    ) -> Vec<u8> {
        hash.update(conversation.uuid().as_bytes());
        hash.update(sender.uuid().as_bytes());
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(client_id.as_str().as_bytes());
        match self {
            Self::Text(text) => part(text.as_bytes()),
            Self::Encrypted(e) => {
                part(&e.ciphertext);
                part(&e.nonce);
                part(&e.version.to_le_bytes());
            }
            // Nobody sends these.
            Self::Sealed(_) | Self::Erased => {}
        }
        hash.sign().as_ref()[..HASH_BYTES].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const LIMITS: Limits =
        Limits { content_bytes: 64, group_members: 10, batch: 10, page_bytes: 1000, read_markers_told_up_to: 10 };

    fn encrypted(ciphertext: usize, nonce: usize, version: i32) -> Option<Encrypted> {
        Some(Encrypted { ciphertext: vec![7; ciphertext], nonce: vec![9; nonce], version })
    }

    fn fault(text: Option<&str>, encrypted: Option<Encrypted>) -> (&'static str, ContentError) {
        let error = Content::parse(text.map(str::to_owned), encrypted, &LIMITS).expect_err("out of bounds");
        (error.path("content"), error)
    }

    #[test]
    fn exactly_one_form_is_taken() {
        assert_eq!(fault(None, None), ("content", ContentError::Missing));
        assert_eq!(fault(Some("a"), encrypted(1, 12, 1)), ("encrypted", ContentError::Both));
    }

    #[test]
    fn texts_are_bounded_in_bytes() {
        assert!(Content::parse(Some("x".repeat(64)), None, &LIMITS).is_ok());
        assert_eq!(fault(Some(&"x".repeat(65)), None), ("content", ContentError::TooLong(64)));
        assert_eq!(fault(Some(&"é".repeat(33)), None), ("content", ContentError::TooLong(64)));
        assert_eq!(fault(Some(""), None), ("content", ContentError::Empty));
        assert_eq!(fault(Some("a\0b"), None), ("content", ContentError::Nul));
    }

    #[test]
    fn encrypted_content_is_bounded_in_each_part() {
        for (ciphertext, nonce) in [(1, 12), (64, 32)] {
            assert!(Content::parse(None, encrypted(ciphertext, nonce, 1), &LIMITS).is_ok());
        }
        assert_eq!(fault(None, encrypted(0, 12, 1)).0, "encrypted.ciphertext");
        assert_eq!(fault(None, encrypted(65, 12, 1)).0, "encrypted.ciphertext");
        assert_eq!(fault(None, encrypted(1, 11, 1)).0, "encrypted.nonce");
        assert_eq!(fault(None, encrypted(1, 33, 1)).0, "encrypted.nonce");
        assert_eq!(fault(None, encrypted(1, 12, 0)).0, "encrypted.encryption_version");
    }

    #[test]
    fn the_hash_tells_contents_apart() {
        let now = DateTime::from_timestamp(0, 0).expect("valid");
        let (conversation, sender) = (ConversationId::generate(now), UserId::generate(now));
        let id = |text: &str| ClientId::parse(text.to_owned()).expect("valid");
        let text = |text: &str| Content::Text(text.to_owned());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let hash = |content: &Content, client_id: &str| {
            content.hash(hmac::Context::with_key(&key), conversation, sender, &id(client_id))
        };
        assert_eq!(hash(&text("hi"), "1"), hash(&text("hi"), "1"));
        assert_ne!(hash(&text("hi"), "1"), hash(&text("ho"), "1"));
        assert_ne!(hash(&text("hi"), "1"), hash(&text("hi"), "2"));
        let sealed = Content::Encrypted(Encrypted { ciphertext: b"hi".to_vec(), nonce: vec![0; 12], version: 1 });
        assert_ne!(hash(&text("hi"), "1"), hash(&sealed, "1"));
    }
}
