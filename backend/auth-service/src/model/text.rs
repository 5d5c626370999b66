//! Short texts that people write.

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Too short or too long.
    #[error("must be {min} to {max} characters")]
    Length {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// Line breaks, tabs, NUL and the like.
    #[error("must not have control characters")]
    Control,
}

/// Reads a text of one line, without the blanks around it.
///
/// # Errors
/// [`TextError`] if it is too short or long or has control characters.
pub fn one_line(text: &str, min: usize, max: usize) -> Result<String, TextError> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    let length = text.chars().take(max + 1).count();
    if (min..=max).contains(&length) { Ok(text.to_owned()) } else { Err(TextError::Length { min, max }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_text_do_not_count() {
        assert_eq!(one_line("  Alice  ", 1, 5).as_deref(), Ok("Alice"));
        assert_eq!(one_line("   ", 1, 5), Err(TextError::Length { min: 1, max: 5 }));
        assert_eq!(one_line("Alice B", 1, 5), Err(TextError::Length { min: 1, max: 5 }));
        assert_eq!(one_line("a\nb", 1, 5), Err(TextError::Control));
        assert_eq!(one_line("a\0b", 1, 5), Err(TextError::Control));
    }
}
