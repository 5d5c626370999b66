//! An address that messages are sent to, as somebody has entered it.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::Guard;

/// Longest address, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;

/// Why an address can't be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is none.
    #[error("must be an address such as https://example.org/hooks")]
    Syntax,
    /// It is longer than [`MAX_URL_BYTES`].
    #[error("must be at most {MAX_URL_BYTES} bytes")]
    TooLong,
    /// Neither `https` nor, where that is allowed, `http`.
    #[error("must begin with https:// (http:// is only for networks that the operator has allowed)")]
    Scheme,
    /// A user name or a password.
    #[error("must have no user name and no password: deliveries are signed instead")]
    UserInfo,
    /// What comes after a `#` is not sent.
    #[error("must have no fragment")]
    Fragment,
    /// The host is a network address that may not be reached.
    #[error("must not be an address outside the public internet (the operator may allow networks)")]
    Network,
    /// A port of another kind of server.
    #[error("must have port 443, or one of 1024 and above")]
    Port,
}

/// Where to: scheme, host, port, path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    port: u16,
}

impl Target {
    /// Reads an address. `plain` says whether `http` may be used and any port; which network addresses are behind the name is
    /// checked when a connection is opened, not here.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong.
    pub fn parse(text: &str, plain: bool) -> Result<Self, TargetError> {
        if text.len() > MAX_URL_BYTES {
            return Err(TargetError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(TargetError::Syntax); // the parser would leave some of these out
        }
        let url = Url::parse(text).map_err(|_| TargetError::Syntax)?;
        if !(url.scheme() == "https" || url.scheme() == "http" && plain) {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        let port = url.port_or_known_default().ok_or(TargetError::Syntax)?;
        if !(port == 443 || port >= 1024 || plain && port != 0) {
            return Err(TargetError::Port);
        }
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(TargetError::TooLong); // written out it may be longer
        }
        Ok(Self { url, port })
    }

    /// The same for who enters one: refuses a host that is written as an address which the guard does not admit, and takes `http`
    /// where the guard has networks of the operator's. What names stand for is checked with each connection.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong.
    pub fn entered(text: &str, guard: &Guard) -> Result<Self, TargetError> {
        let target = Self::parse(text, guard.allows_private())?;
        match target.address() {
            Some(address) if !guard.admits(address) => Err(TargetError::Network),
            _ => Ok(target),
        }
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The network address, if the host is one and no name. However it was written: `0x7f.1` is one too.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// The host as certificates name it.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// What the `host` header says: the port only if it is not the scheme's.
    pub(crate) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query.
    pub(crate) fn path(&self) -> String {
        let path = self.url.path();
        self.url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_may_not_be_reached_is_refused_when_it_is_entered() {
        let guard = Guard::new(vec!["10.1.0.0/16".parse().expect("a network")]);
        for (url, expected) in [
            ("https://169.254.169.254/latest", Err(TargetError::Network)),
            ("https://0x7f.1/", Err(TargetError::Network)),
            ("https://[::ffff:192.168.0.1]/", Err(TargetError::Network)),
            ("https://10.2.0.1/", Err(TargetError::Network)),
            ("http://10.1.2.3/hook", Ok(())),
            ("https://93.184.215.14/", Ok(())),
            ("https://a-name.example/", Ok(())),
        ] {
            assert_eq!(Target::entered(url, &guard).map(drop), expected, "{url}");
        }
    }

    #[test]
    fn an_address_is_taken_apart() {
        let target = Target::parse("https://Example.org:8443/hooks/a?b=c", false).expect("an address");
        assert_eq!((target.host(), target.port(), target.is_https()), ("example.org", 8443, true));
        assert_eq!((target.authority().as_str(), target.path().as_str()), ("example.org:8443", "/hooks/a?b=c"));
        let target = Target::parse("https://[2606:4700::1111]", false).expect("an address");
        assert_eq!((target.host(), target.authority().as_str()), ("2606:4700::1111", "[2606:4700::1111]"));
        assert_eq!((target.port(), target.path().as_str()), (443, "/"));
    }

    #[test]
    fn what_is_no_address_to_send_to_is_refused() {
        for (text, error) in [
            ("", TargetError::Syntax),
            ("example.org", TargetError::Syntax),
            ("https://", TargetError::Syntax),
            ("https://exa mple.org", TargetError::Syntax),
            ("https://example.org/\n", TargetError::Syntax),
            ("http://example.org", TargetError::Scheme),
            ("ftp://example.org", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("gopher://example.org:1024", TargetError::Scheme),
            ("https://user@example.org", TargetError::UserInfo),
            ("https://:word@example.org", TargetError::UserInfo),
            ("https://example.org/#a", TargetError::Fragment),
            ("https://example.org:22", TargetError::Port),
            ("https://example.org:0", TargetError::Port),
            ("https://example.org:80", TargetError::Port),
        ] {
            assert_eq!(Target::parse(text, false), Err(error), "{text}");
        }
        let long = format!("https://example.org/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(Target::parse(&long, false), Err(TargetError::TooLong));
        assert_eq!(
            Target::parse(&format!("https://example.org/{}", "ä".repeat(1000)), false),
            Err(TargetError::TooLong)
        );
    }

    #[test]
    fn plain_http_and_any_port_are_for_who_may_have_them() {
        assert!(Target::parse("http://example.org:80", true).is_ok_and(|target| !target.is_https()));
        assert_eq!(Target::parse("http://example.org:0", true), Err(TargetError::Port));
    }

    #[test]
    fn a_network_address_is_known_however_it_is_written() {
        let local = Some(IpAddr::from([127, 0, 0, 1]));
        for text in ["https://127.0.0.1", "https://0x7f.1", "https://2130706433", "https://0177.0.0.1", "https://127.1"]
        {
            assert_eq!(Target::parse(text, false).expect("an address").address(), local, "{text}");
        }
        assert_eq!(Target::parse("https://localhost", false).expect("an address").address(), None);
    }
}
