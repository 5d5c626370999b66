//! E-mail addresses: the syntax that mail servers take, without the corners that nobody uses.

use std::fmt;

/// Why a text is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as alice@example.org, in ASCII, of at most 254 characters")]
pub struct EmailError;

/// An e-mail address as it was written. Two that differ in case only are the same address.
///
/// Its `Debug` form hides the address: it does not belong into logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Length that SMTP carries (RFC 5321, section 4.5.3.1.3 without the angle brackets).
    pub const MAX_LENGTH: usize = 254;

    /// Reads an address: `local@domain`, a dot-atom of at most 64 characters and a domain name of two labels or more
    /// (an international domain in its `xn--` form), without quotes, comments and address literals.
    ///
    /// # Errors
    /// [`EmailError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let fits = text.len() <= Self::MAX_LENGTH && (1..=64).contains(&local.len());
        let dot_atom = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte));
        let labels = domain.split('.').count();
        if fits && dot_atom && labels >= 2 && domain.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(EmailError)
        }
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address in lower case, as it is compared.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn is_atom_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b)
}

fn is_label(label: &str) -> bool {
    let edges = label.bytes().next().zip(label.bytes().last());
    (1..=63).contains(&label.len())
        && edges.is_some_and(|(first, last)| first != b'-' && last != b'-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_addresses_are_read() {
        for good in ["a@b.co", "Alice.Smith+nova@mail.example.org", "o'hara@example.org", "x@xn--bcher-kva.example"] {
            assert_eq!(Email::parse(good).expect(good).as_str(), good);
        }
        assert_eq!(Email::parse("Alice@Example.ORG").expect("valid").folded(), "alice@example.org");
    }

    #[test]
    fn anything_else_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", ["b".repeat(62).as_str(); 4].join("."));
        for bad in [
            "",
            "@",
            "alice",
            "alice@",
            "@example.org",
            "alice@localhost",
            "a..b@example.org",
            ".a@example.org",
            "a b@example.org",
            "alice@exa mple.org",
            "alice@-x.org",
            "alice@x-.org",
            "alice@x..org",
            "a@b.org\n",
            "a@b.org\r\nBcc: c@d.org",
            "\"a b\"@example.org",
            "a@[127.0.0.1]",
            "älice@example.org",
            "a@b@c.org",
            &long_local,
            &long,
        ] {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_one_line_of_ascii(text in "\\PC{0,20}@\\PC{0,20}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.as_str().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
