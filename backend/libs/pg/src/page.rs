//! Keyset pages: opaque tokens that are bound to the call they came from.
//!
//! A token holds the key of the last row that was sent, and a fingerprint of the call's other arguments; with other
//! arguments it is refused instead of giving a page of something else. It is no secret and grants nothing: every page is
//! authorized like the first.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use errors::{Class, Classify, FieldViolation, common};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Offsets are walked row by row, so they end here; page tokens reach any row at the same price.
pub const MAX_OFFSET: u32 = 10_000;
const MAX_TOKEN_BYTES: usize = 2_048;
const FINGERPRINT: usize = 8;

/// How many rows a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows when the request leaves `limit` at 0.
    pub default: u32,
    /// Most rows; larger requests are served this many.
    pub max: u32,
}

/// A page request that can't be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// `limit` is negative.
    #[error("must not be negative")]
    NegativeLimit,
    /// `offset` is negative.
    #[error("must not be negative")]
    NegativeOffset,
    /// `offset` is beyond [`MAX_OFFSET`].
    #[error("must be at most {MAX_OFFSET}, use page_token to read further")]
    OffsetTooLarge,
    /// Both ways to say where the page starts.
    #[error("must be 0 when page_token is given")]
    OffsetAndToken,
    /// Damaged, or made for other arguments.
    #[error("is not a token of this call with these arguments")]
    Token,
}

impl Classify for PageError {
    fn class(&self) -> Class {
        let invalid = |field: &str| Class::invalid(vec![FieldViolation::new(field, self.to_string())]);
        match self {
            Self::NegativeLimit => invalid("limit"),
            Self::NegativeOffset | Self::OffsetAndToken => invalid("offset"),
            Self::OffsetTooLarge => Class::out_of_range("offset", self.to_string(), common::OFFSET_TOO_LARGE),
            Self::Token => invalid("page_token").reason(common::PAGE_TOKEN_INVALID),
        }
    }
}

/// A fingerprint of a call's name and the arguments that its pages depend on.
pub struct Binding(digest::Context);

impl Binding {
    /// The fingerprint of a call without arguments.
    pub fn new(call: &'static str) -> Self {
        Self(digest::Context::new(&digest::SHA256)).arg(call)
    }

    /// The same with one more argument; the order matters.
    #[must_use]
    pub fn arg(mut self, value: impl std::fmt::Display) -> Self {
        let text = value.to_string();
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    fn finish(self) -> [u8; FINGERPRINT] {
        let hash = self.0.finish();
        hash.as_ref()[..FINGERPRINT].try_into().expect("a SHA-256 is longer than a fingerprint")
    }
}

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start<K> {
    /// At the first row.
    First,
    /// After the row with this key.
    After(K),
    /// After this many rows.
    Offset(u32),
}

/// One page of a list whose rows are ordered by a unique key `K`.
#[derive(Clone, Debug)]
pub struct Page<K> {
    /// Rows on the page.
    pub limit: u32,
    /// Where it starts.
    pub start: Start<K>,
    binding: [u8; FINGERPRINT],
}

impl<K: Serialize + DeserializeOwned> Page<K> {
    /// Reads a request's paging fields; a list without `offset` passes 0.
    ///
    /// # Errors
    /// [`PageError`] names the field.
    pub fn parse(
        limits: Limits,
        limit: i32,
        offset: i32,
        page_token: &str,
        binding: Binding,
    ) -> Result<Self, PageError> {
        let limit = match u32::try_from(limit).map_err(|_| PageError::NegativeLimit)? {
            0 => limits.default,
            n => n.min(limits.max),
        };
        let offset = u32::try_from(offset).map_err(|_| PageError::NegativeOffset)?;
        if offset > MAX_OFFSET {
            return Err(PageError::OffsetTooLarge);
        }
        let binding = binding.finish();
        let start = match (page_token, offset) {
            ("", 0) => Start::First,
            ("", n) => Start::Offset(n),
            (_, 1..) => return Err(PageError::OffsetAndToken),
            (token, 0) => Start::After(decode(token, binding).ok_or(PageError::Token)?),
        };
        Ok(Self { limit, start, binding })
    }

    /// How many rows to ask the database for: one more than the page has, to know whether there is a next one.
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// How many rows to pass over.
    pub fn offset(&self) -> i64 {
        match self.start {
            Start::Offset(n) => i64::from(n),
            Start::First | Start::After(_) => 0,
        }
    }

    /// The key to start after, if any.
    pub fn after(&self) -> Option<&K> {
        match &self.start {
            Start::After(key) => Some(key),
            Start::First | Start::Offset(_) => None,
        }
    }

    /// Cuts the rows to the page and makes the token of the next one, empty on the last page.
    pub fn finish<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> K) -> (Vec<T>, String) {
        let limit = self.limit as usize;
        if rows.len() <= limit {
            return (rows, String::new());
        }
        rows.truncate(limit);
        let token = rows.last().map(|row| encode(&key(row), self.binding)).unwrap_or_default();
        (rows, token)
    }
}

fn encode<K: Serialize>(key: &K, binding: [u8; FINGERPRINT]) -> String {
    let mut bytes = binding.to_vec();
    serde_json::to_writer(&mut bytes, key).expect("page keys are plain values");
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode<K: DeserializeOwned>(token: &str, binding: [u8; FINGERPRINT]) -> Option<K> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (fingerprint, key) = bytes.split_at_checked(FINGERPRINT)?;
    if fingerprint != binding {
        return None;
    }
    serde_json::from_slice(key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { default: 20, max: 100 };
    fn page(limit: i32, offset: i32, token: &str, of: &str) -> Result<Page<(i64, i64)>, PageError> {
        Page::parse(LIMITS, limit, offset, token, Binding::new("List").arg(of))
    }

    #[test]
    fn limits_follow_the_contract() {
        assert_eq!(page(0, 0, "", "a").expect("valid").limit, 20);
        assert_eq!(page(1000, 0, "", "a").expect("valid").limit, 100);
        assert_eq!(page(-1, 0, "", "a").unwrap_err(), PageError::NegativeLimit);
        assert_eq!(page(1, 10_001, "", "a").unwrap_err(), PageError::OffsetTooLarge);
        assert_eq!(page(1, -1, "", "a").unwrap_err(), PageError::NegativeOffset);
        assert_eq!(page(1, 10_000, "", "a").expect("valid").offset(), 10_000);
    }

    #[test]
    fn a_token_serves_only_the_call_that_it_came_from() {
        let first = page(2, 0, "", "a").expect("valid");
        let (rows, token) = first.finish(vec![(9, 1), (8, 1), (7, 1)], |r| *r);
        assert_eq!(rows.len(), 2);
        assert_eq!(page(2, 0, &token, "a").expect("valid").after(), Some(&(8, 1)));
        assert_eq!(page(2, 0, &token, "b").unwrap_err(), PageError::Token);
        assert_eq!(page(2, 5, &token, "a").unwrap_err(), PageError::OffsetAndToken);
        assert_eq!(first.finish(vec![(9, 1)], |r| *r).1, "");
    }

    proptest! {
        #[test]
        fn no_token_makes_it_panic(token in "\\PC{1,200}") {
            prop_assert_eq!(page(1, 0, &token, "a").unwrap_err(), PageError::Token);
        }

        #[test]
        fn a_token_says_where_the_page_before_ended(key in any::<(i64, i64)>(), of in "\\PC{0,8}", other in "\\PC{0,8}") {
            let (_, token) = page(1, 0, "", &of).expect("valid").finish(vec![key, key], |key| *key);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
            let read = page(1, 0, &token, &of).expect("ours");
            prop_assert_eq!(read.after(), Some(&key));
            prop_assert_eq!(page(1, 0, &token, &other).is_ok(), of == other);
        }

        /// Who knows how the fingerprint is made can make a token; it is then a place in the list, or none.
        #[test]
        fn behind_the_right_fingerprint_stands_a_key_or_nothing(key in "[\\[\\]0-9,. \"e-]{0,16}") {
            let mut bytes = Binding::new("List").arg("a").finish().to_vec();
            bytes.extend_from_slice(key.as_bytes());
            match page(1, 0, &URL_SAFE_NO_PAD.encode(bytes), "a") {
                Ok(page) => {
                    let read: (i64, i64) = serde_json::from_str(&key).expect("what was read is JSON");
                    prop_assert_eq!(page.after(), Some(&read));
                }
                Err(error) => prop_assert_eq!(error, PageError::Token),
            }
        }

        #[test]
        fn the_paging_fields_are_in_bounds_or_refused(limit: i32, offset: i32) {
            match page(limit, offset, "", "a") {
                Ok(page) => {
                    prop_assert!(limit >= 0 && (0..=10_000).contains(&offset));
                    prop_assert!((1..=LIMITS.max).contains(&page.limit));
                    prop_assert_eq!(page.offset(), i64::from(offset));
                }
                Err(error) => prop_assert!(limit < 0 || !(0..=10_000).contains(&offset), "{error}"),
            }
        }
    }
}
