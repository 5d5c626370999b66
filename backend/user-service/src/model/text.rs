//! Texts that people write about themselves, each within its bounds. A length is in characters (Unicode scalar values).

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// Nothing to read in it.
    #[error("must not be empty or blank")]
    Blank,
    /// Longer than it may be.
    #[error("must have at most {max} characters, has {has}")]
    TooLong {
        /// The bound.
        max: usize,
        /// The length.
        has: usize,
    },
    /// Characters that no text shows.
    #[error("must not contain control characters")]
    Control,
    /// No address that a browser would open.
    #[error("must be an http or https address such as https://example.org/a.png, without a user name or password")]
    NotAnAddress,
    /// No user name.
    #[error("must be 1 to 64 characters without blanks and control characters")]
    NotAUsername,
}

fn bounded(text: &str, max: usize, is_allowed: impl Fn(char) -> bool) -> Result<(), TextFault> {
    let has = text.chars().count();
    if has > max {
        return Err(TextFault::TooLong { max, has });
    }
    if text.chars().all(is_allowed) { Ok(()) } else { Err(TextFault::Control) }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that is within the bounds.
            ///
            /// # Errors
            /// [`TextFault`] tells the bound.
            pub fn parse(text: impl Into<String>) -> Result<Self, TextFault> {
                let text = text.into();
                let check: fn(&str) -> Result<(), TextFault> = $check;
                check(&text)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text! {
    /// The name that is shown: 1 to 64 characters, not blank, no control characters.
    DisplayName, |text| {
        if text.trim().is_empty() {
            return Err(TextFault::Blank);
        }
        bounded(text, 64, |c| !c.is_control())
    }
}
text! {
    /// A few words: up to 500 characters, with line breaks and tabs but no other control characters.
    Bio, |text| bounded(text, 500, |c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}
text! {
    /// A place: up to 100 characters, no control characters.
    Location, |text| bounded(text, 100, |c| !c.is_control())
}
text! {
    /// The address of a picture or page: http or https, up to 2,048 characters; empty means none.
    Url, is_address
}
text! {
    /// A user name as the auth service has it; what it may be made of is decided there.
    Username, |text| {
        let fits = (1..=64).contains(&text.chars().count()) && text.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if fits { Ok(()) } else { Err(TextFault::NotAUsername) }
    }
}

fn is_address(text: &str) -> Result<(), TextFault> {
    if text.is_empty() {
        return Ok(());
    }
    bounded(text, 2_048, |c| !c.is_control())?;
    // The parser forgives blanks and backslashes; whoever shows the address may not.
    if text.chars().any(|c| c.is_whitespace() || c == '\\') {
        return Err(TextFault::NotAnAddress);
    }
    let url = url::Url::parse(text).map_err(|_| TextFault::NotAnAddress)?;
    let opens = matches!(url.scheme(), "http" | "https") && url.has_host();
    let names_a_user = !url.username().is_empty() || url.password().is_some();
    if opens && !names_a_user { Ok(()) } else { Err(TextFault::NotAnAddress) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn display_names() {
        for good in ["a", "Ann O'Neil", "李明", &"é".repeat(64)] {
            assert_eq!(DisplayName::parse(good).expect("valid").as_str(), good);
        }
        assert_eq!(DisplayName::parse(""), Err(TextFault::Blank));
        assert_eq!(DisplayName::parse(" \u{2003} "), Err(TextFault::Blank));
        assert_eq!(DisplayName::parse("x".repeat(65)), Err(TextFault::TooLong { max: 64, has: 65 }));
        assert_eq!(DisplayName::parse("a\u{0}b"), Err(TextFault::Control));
        assert_eq!(DisplayName::parse("a\nb"), Err(TextFault::Control));
    }

    #[test]
    fn only_a_bio_has_lines() {
        assert!(Bio::parse("one\ntwo\tthree\r\n").is_ok());
        assert!(Bio::parse("").is_ok());
        assert_eq!(Bio::parse("\u{1b}[31m"), Err(TextFault::Control));
        assert_eq!(Bio::parse("x".repeat(501)), Err(TextFault::TooLong { max: 500, has: 501 }));
        assert_eq!(Location::parse("a\nb"), Err(TextFault::Control));
        assert!(Location::parse("x".repeat(100)).is_ok());
        assert!(Location::parse("x".repeat(101)).is_err());
    }

    #[test]
    fn addresses_are_http_or_https_or_nothing() {
        for good in [
            "",
            "https://example.org",
            "http://example.org:8080/a.png?x=1#y",
            "https://bücher.example/ä",
            "HTTPS://EXAMPLE.ORG/",
        ] {
            assert!(Url::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "example.org",
            "/a.png",
            "//example.org/a",
            "ftp://example.org",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
            "https://a b",
            "https:\\\\example.org",
            " https://example.org",
            "https://user@example.org",
            "https://u:p@example.org",
        ] {
            assert_eq!(Url::parse(bad), Err(TextFault::NotAnAddress), "{bad}");
        }
        assert!(Url::parse(format!("https://example.org/{}", "x".repeat(2_028))).is_ok());
        assert!(matches!(
            Url::parse(format!("https://example.org/{}", "x".repeat(2_029))),
            Err(TextFault::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_rule_panic(text in "\\PC{0,80}") {
            let _ = (DisplayName::parse(text.as_str()), Bio::parse(text.as_str()), Url::parse(text.as_str()), Username::parse(text.as_str()));
        }

        #[test]
        fn what_is_accepted_is_kept_as_it_is(text in "[a-zA-Z0-9 _.äß-]{1,64}") {
            if let Ok(name) = DisplayName::parse(text.as_str()) {
                prop_assert_eq!(name.as_str(), text);
            }
        }
    }
}
