//! What people type to find somebody.

use super::TextFault;

/// Longest query, in characters.
const MAX_CHARS: usize = 64;
/// Letters or digits in a row that an index of trigrams needs.
const TRIGRAM: usize = 3;

/// A query in lower case, without blanks at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// Takes 1 to 64 characters, not counting blanks at the ends.
    ///
    /// # Errors
    /// [`TextFault`] tells the bound.
    pub fn parse(text: &str) -> Result<Self, TextFault> {
        let text = text.trim();
        let has = text.chars().count();
        if has == 0 {
            return Err(TextFault::Blank);
        }
        if has > MAX_CHARS {
            return Err(TextFault::TooLong { max: MAX_CHARS, has });
        }
        if text.chars().any(char::is_control) {
            return Err(TextFault::Control);
        }
        Ok(Self(text.to_lowercase()))
    }

    /// The query.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text above everything that begins with the query, in byte order.
    pub fn above_prefix(&self) -> String {
        format!("{}{}", self.0, char::MAX)
    }

    /// The LIKE pattern of names that contain the query literally; none if no index could serve it.
    pub fn pattern(&self) -> Option<String> {
        let longest = self.0.split(|c: char| !c.is_alphanumeric()).map(|run| run.chars().count()).max().unwrap_or(0);
        if longest < TRIGRAM {
            return None;
        }
        let mut pattern = String::with_capacity(self.0.len() + 8);
        pattern.push('%');
        for c in self.0.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        Some(pattern)
    }

    /// The query if names that are merely similar are wanted too. Trigrams do not see signs, so a query with one would find
    /// names without it: signs mean themselves.
    pub fn fuzzy(&self) -> Option<&str> {
        let plain = self.0.chars().all(|c| c.is_alphanumeric() || c.is_whitespace());
        (plain && self.pattern().is_some()).then_some(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries_are_bounded() {
        assert_eq!(Query::parse("  Ann  ").expect("valid").as_str(), "ann");
        assert_eq!(Query::parse(" "), Err(TextFault::Blank));
        assert_eq!(Query::parse(&"x".repeat(65)), Err(TextFault::TooLong { max: 64, has: 65 }));
        assert_eq!(Query::parse("a\u{0}"), Err(TextFault::Control));
        assert!(Query::parse(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn signs_mean_themselves() {
        // (query, pattern, fuzzy)
        for (query, pattern, fuzzy) in [
            ("alice", Some("%alice%"), Some("alice")),
            ("al", None, None),
            ("%", None, None),
            ("a_b", None, None),
            ("100%", Some("%100\\%%"), None),
            ("user_1", Some("%user\\_1%"), None),
            ("a\\bcd", Some("%a\\\\bcd%"), None),
            ("ann lee", Some("%ann lee%"), Some("ann lee")),
        ] {
            let query = Query::parse(query).expect("valid");
            assert_eq!(query.pattern().as_deref(), pattern, "{query:?}");
            assert_eq!(query.fuzzy(), fuzzy, "{query:?}");
        }
    }

    proptest! {
        #[test]
        fn what_begins_with_the_query_lies_in_its_range(text in "[a-z0-9_.%]{1,10}", rest in "\\PC{0,10}") {
            let query = Query::parse(&text).expect("valid");
            let name = format!("{text}{rest}");
            prop_assert!(query.as_str() <= name.as_str() && name < query.above_prefix());
        }
    }
}
