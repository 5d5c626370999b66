//! What an access token says (RFC 7519, RFC 9068).

use serde::{Deserialize, Serialize};

/// The role that may administer everything.
pub const ROLE_ADMIN: &str = "admin";
/// The role of Nova's own services.
pub const ROLE_SERVICE: &str = "service";

/// How tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA with SHA-256, 2048 bits: understood everywhere.
    #[default]
    RS256,
    /// Ed25519 (RFC 8037): smaller and much faster to sign.
    EdDSA,
}

impl Algorithm {
    /// The name in JOSE headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The algorithm of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::RS256, Self::EdDSA].into_iter().find(|a| a.name() == name)
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::RS256,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}

/// The names of the roles that a caller has.
pub type Roles = Vec<String>;

/// The claims of an access token. Times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// A person's user id, or a service's client id.
    pub sub: String,
    /// Issued at.
    pub iat: i64,
    /// Expires at.
    pub exp: i64,
    /// Unique id of the token.
    pub jti: String,
    /// The person's session; services have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Roles.
    #[serde(default)]
    pub roles: Roles,
    /// OAuth 2 scopes, separated by spaces.
    #[serde(default)]
    pub scope: String,
}
