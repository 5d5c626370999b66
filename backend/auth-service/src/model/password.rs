//! Passwords on their way in. They are wiped from memory when dropped, and their `Debug` form hides them.

use secrecy::{ExposeSecret, SecretString};

/// Why a text can't be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// A new password is too short or too long.
    #[error("must be 8 to 128 characters")]
    Length,
    /// No password is like that.
    #[error("must be 1 to 1024 bytes")]
    Bytes,
}

/// A password that somebody claims to be theirs.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// Most bytes that are hashed.
    pub const MAX_BYTES: usize = 1024;

    /// Takes a password to compare. Its bounds are wide: accounts may have passwords from times of other bounds.
    ///
    /// # Errors
    /// [`PasswordError::Bytes`] if it is empty or absurdly long.
    pub fn parse(text: String) -> Result<Self, PasswordError> {
        let text = SecretString::from(text);
        match text.expose_secret().len() {
            1..=Self::MAX_BYTES => Ok(Self(text)),
            _ => Err(PasswordError::Bytes),
        }
    }

    /// The bytes to hash.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// A password that somebody chooses: 8 to 128 characters (NIST SP 800-63B wants no rules of composition).
#[derive(Clone, Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Takes a new password.
    ///
    /// # Errors
    /// [`PasswordError::Length`] if it is too short or too long.
    pub fn parse(text: String) -> Result<Self, PasswordError> {
        let characters = text.chars().take(129).count();
        let password = Password::parse(text).map_err(|_| PasswordError::Length)?;
        if (8..=128).contains(&characters) { Ok(Self(password)) } else { Err(PasswordError::Length) }
    }

    /// The password to hash.
    pub fn into_password(self) -> Password {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(NewPassword::parse("1234567".into()).is_err());
        assert!(NewPassword::parse("12345678".into()).is_ok());
        assert!(NewPassword::parse("пароль12".into()).is_ok());
        assert!(NewPassword::parse("😀".repeat(128)).is_ok());
        assert!(NewPassword::parse("a".repeat(129)).is_err());
        assert_eq!(Password::parse(String::new()).unwrap_err(), PasswordError::Bytes);
        assert_eq!(Password::parse("a".repeat(1025)).unwrap_err(), PasswordError::Bytes);
    }

    #[test]
    fn debug_hides_the_password() {
        let password = NewPassword::parse("correct horse".into()).expect("valid");
        assert!(!format!("{password:?}").contains("horse"));
    }
}
