//! User names, and what a person may type to say who they are.

use std::fmt;

use crate::model::Email;

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 3 to 32 of a-z, 0-9, underscore and dot")]
pub struct UsernameError;

/// A user name: 3 to 32 of `a-z 0-9 _ .`. Upper case is folded when it is read, so names are unique without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Reads a user name.
    ///
    /// # Errors
    /// [`UsernameError`] if it is too short or long or has other characters.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let right_length = (3..=32).contains(&text.len());
        if right_length && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.') {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(UsernameError)
        }
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text can't be a name to log in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 254 characters, none of them a control character")]
pub struct LoginNameError;

/// What somebody typed to say who they are: a user name, an e-mail, or neither.
///
/// A text that is neither is no fault of the request: it is a name that nobody has.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginName(String);

impl LoginName {
    /// Reads a name to log in with.
    ///
    /// # Errors
    /// [`LoginNameError`] if it is empty or longer than any name.
    pub fn parse(text: &str) -> Result<Self, LoginNameError> {
        // Counted when it is folded: some letters have two in lower case.
        let name = text.to_lowercase();
        let length = name.chars().take(Email::MAX_LENGTH + 1).count();
        let readable = !name.chars().any(char::is_control);
        if readable && (1..=Email::MAX_LENGTH).contains(&length) { Ok(Self(name)) } else { Err(LoginNameError) }
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can only be an e-mail; user names have no `@`.
    pub fn is_email(&self) -> bool {
        self.0.contains('@')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_folded_to_lower_case() {
        assert_eq!(Username::parse("Alice_9.x").expect("valid").as_str(), "alice_9.x");
        assert_eq!(LoginName::parse("Alice@Example.ORG").expect("valid").as_str(), "alice@example.org");
    }

    #[test]
    fn names_out_of_bounds_are_refused() {
        let long = "a".repeat(33);
        for bad in ["", "ab", &long, "al ice", "alice!", "älice", "alice\n", "a@b", "ali\u{0}ce", "ＡＬＩＣＥ"] {
            assert_eq!(Username::parse(bad), Err(UsernameError), "{bad:?}");
        }
        assert!(Username::parse(&"a".repeat(32)).is_ok());
        assert!(
            LoginName::parse("a\0").is_err()
                && LoginName::parse("").is_err()
                && LoginName::parse(&"x".repeat(255)).is_err()
                && LoginName::parse(&"İ".repeat(128)).is_err()
        );
    }

    proptest! {
        #[test]
        fn reading_a_name_twice_changes_nothing(text in "\\PC{0,40}") {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(Username::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(name.as_str(), text.to_lowercase());
            }
        }

        #[test]
        fn a_name_to_log_in_with_is_in_bounds_however_it_is_folded(text in "[İẞΣa]{0,300}") {
            if let Ok(name) = LoginName::parse(&text) {
                prop_assert!(name.as_str().chars().count() <= Email::MAX_LENGTH);
                prop_assert_eq!(LoginName::parse(name.as_str()).map(|again| again.as_str().to_owned()), Ok(name.as_str().to_owned()));
            }
        }
    }
}
