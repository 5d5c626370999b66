//! Ids that clients choose so that a retry is recognised.

/// Most characters of a client's id.
const MAX_CHARS: usize = 128;

/// An id that a client gave a message or a conversation: 1 to 128 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(String);

/// The text is no client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_CHARS} characters without control characters")]
pub struct ClientIdError;

impl ClientId {
    /// Reads a client's id; it is compared exactly, byte by byte.
    ///
    /// # Errors
    /// [`ClientIdError`] if it is empty, too long or holds control characters.
    pub fn parse(text: String) -> Result<Self, ClientIdError> {
        // A character has at most four bytes: the cheap test spares counting a huge text.
        let fits = !text.is_empty() && text.len() <= 4 * MAX_CHARS && text.chars().count() <= MAX_CHARS;
        if fits && !text.chars().any(char::is_control) { Ok(Self(text)) } else { Err(ClientIdError) }
    }

    /// The id as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the client wrote it.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_counted_in_characters() {
        for good in ["1", "0190b5a4-5c1e", &"x".repeat(128), &"é".repeat(128)] {
            assert_eq!(ClientId::parse(good.to_owned()).expect("valid").as_str(), good);
        }
        for bad in ["", &"x".repeat(129), &"é".repeat(129), "a\nb", "a\0b", "\u{7f}"] {
            assert_eq!(ClientId::parse(bad.to_owned()), Err(ClientIdError), "{bad:?}");
        }
    }
}
