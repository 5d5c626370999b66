//! Language tags: well-formed in the sense of RFC 5646 section 2.2.9 (BCP 47), without the irregular tags of old
//! and languages of four to eight letters, of which none has ever been registered (so that `english` is refused).

use std::fmt;

/// The longest tag that is kept (RFC 5646 section 4.4.1 asks for 35 at least).
const MAX_CHARS: usize = 35;

/// A well-formed language tag, in the usual case (`en-US`, `zh-Hant`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageTag(String);

/// The text is no language tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a BCP 47 language tag such as en or de-AT, of at most 35 characters")]
pub struct NoLanguageTag;

impl LanguageTag {
    /// Takes a tag whose parts are in the order and of the shape that the RFC allows.
    ///
    /// # Errors
    /// [`NoLanguageTag`].
    pub fn parse(text: &str) -> Result<Self, NoLanguageTag> {
        if text.len() > MAX_CHARS || !is_well_formed(text) {
            return Err(NoLanguageTag);
        }
        Ok(Self(usual_case(text)))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `language[-extlang]{0,3}[-script][-region](-variant)*(-extension)*[-privateuse]`.
fn is_well_formed(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.iter().any(|p| p.is_empty() || p.len() > 8 || !p.bytes().all(|b| b.is_ascii_alphanumeric())) {
        return false;
    }
    let mut rest = parts.as_slice();
    let Some((language, after)) = rest.split_first() else { return false };
    if !is_alpha(language) || !(2..=3).contains(&language.len()) {
        return false;
    }
    rest = after;
    skip(&mut rest, 3, |p| p.len() == 3 && is_alpha(p));
    skip(&mut rest, 1, |p| p.len() == 4 && is_alpha(p));
    skip(&mut rest, 1, |p| (p.len() == 2 && is_alpha(p)) || (p.len() == 3 && is_digits(p)));
    skip(&mut rest, usize::MAX, |p| p.len() >= 5 || (p.len() == 4 && p.as_bytes()[0].is_ascii_digit()));
    while let Some((singleton, after)) = rest.split_first() {
        if singleton.len() != 1 {
            return false;
        }
        let is_private = singleton.eq_ignore_ascii_case("x");
        rest = after;
        if skip(&mut rest, usize::MAX, |p| is_private || p.len() >= 2) == 0 {
            return false;
        }
    }
    true
}

fn skip(rest: &mut &[&str], most: usize, fits: impl Fn(&str) -> bool) -> usize {
    let count = rest.iter().take(most).take_while(|p| fits(p)).count();
    *rest = &rest[count..];
    count
}

fn is_alpha(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_digits(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_digit())
}

/// RFC 5646 section 2.1.1: lower case, but for two letters (upper) and four letters (title) that follow no singleton.
fn usual_case(text: &str) -> String {
    let mut parts: Vec<String> = text.split('-').map(str::to_ascii_lowercase).collect();
    let mut after_singleton = false;
    for (i, part) in parts.iter_mut().enumerate() {
        if i > 0 && !after_singleton && is_alpha(part) {
            match part.len() {
                2 => part.make_ascii_uppercase(),
                4 => part[..1].make_ascii_uppercase(),
                _ => {}
            }
        }
        after_singleton = after_singleton || part.len() == 1;
    }
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_formed_tags_get_their_usual_case() {
        for (tag, usual) in [
            ("en", "en"),
            ("DE-at", "de-AT"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-rozaj-biske", "sl-rozaj-biske"),
            ("de-CH-1901", "de-CH-1901"),
            ("zh-cmn-hans-cn", "zh-cmn-Hans-CN"),
            ("en-a-bbb-x-a-ccc", "en-a-bbb-x-a-ccc"),
            ("en-u-CA-gregory", "en-u-ca-gregory"),
            ("haw", "haw"),
        ] {
            assert_eq!(LanguageTag::parse(tag).expect(tag).as_str(), usual);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "e",
            "en-",
            "-en",
            "en--US",
            "en_US",
            "english-language",
            "123",
            "en-US-US",
            "en-Latn-Latn",
            "en-x",
            "en-u",
            "en-a-b",
            "dé",
            "en-abcdefghi",
            "en US",
            "a-DE",
            "x-private",
        ] {
            assert_eq!(LanguageTag::parse(bad), Err(NoLanguageTag), "{bad}");
        }
        assert!(LanguageTag::parse(&format!("en-x{}", "-abcdefgh".repeat(4))).is_err(), "40 characters");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_the_usual_case_is_stable(text in "[a-zA-Z0-9_é-]{0,40}") {
            if let Ok(tag) = LanguageTag::parse(&text) {
                prop_assert_eq!(LanguageTag::parse(tag.as_str()).expect("still well-formed"), tag);
            }
        }
    }
}
