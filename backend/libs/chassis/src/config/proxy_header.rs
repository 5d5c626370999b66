//! How proxies say whom they were asked by.

use serde::{Deserialize, Serialize};

/// The header in which trusted proxies say where a request comes from. Only one is read: the other may be the client's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which nearly all write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}
