//! Keys that sign access tokens.

use authn::{Algorithm, Claims};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use zeroize::Zeroizing;

/// Why a key can't be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither an RSA key of 2048 bits or more nor an Ed25519 key, in PEM.
    #[error("a signing key is a private RSA key of at least 2048 bits or an Ed25519 key, in PEM")]
    Pem,
    /// The stored form is damaged.
    #[error("the signing key can't be read")]
    Stored,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to {0}")]
    Crypto(&'static str),
}

/// The public half as a JSON Web Key (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    /// RFC 7638 thumbprint: two replicas that import the same key agree on its name.
    pub kid: String,
    /// `RS256` or `EdDSA`.
    pub alg: &'static str,
    /// `RSA` or `OKP`.
    pub kty: &'static str,
    /// What it is for: `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// RSA modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<&'static str>,
    /// Public point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed(Ed25519KeyPair),
}

/// A key pair, parsed once: reading the DER anew for every token costs a sixth of an RSA signature.
pub struct SigningKey {
    pair: Pair,
    public: PublicJwk,
    /// The token's first part, which is the same for every token of this key.
    header: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a new key. RSA takes some 100 ms: keep it off the async threads.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] if the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Crypto("make an RSA key"))?;
                Pair::Rsa(Box::new(pair))
            }
            Algorithm::EdDSA => {
                Pair::Ed(Ed25519KeyPair::generate().map_err(|_| KeyError::Crypto("make an Ed25519 key"))?)
            }
        };
        Self::new(pair)
    }

    /// Reads a private key in PEM: RSA (PKCS #1 or #8) or Ed25519 (PKCS #8).
    ///
    /// # Errors
    /// [`KeyError::Pem`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pem = pem.as_bytes();
        let rsa = EncodingKey::from_rsa_pem(pem).ok().and_then(|key| RsaKeyPair::from_der(key.as_bytes()).ok());
        if let Some(pair) = rsa {
            return Self::new(Pair::Rsa(Box::new(pair)));
        }
        let key = EncodingKey::from_ed_pem(pem).map_err(|_| KeyError::Pem)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes()).map_err(|_| KeyError::Pem)?;
        Self::new(Pair::Ed(pair))
    }

    /// Reads a key from its stored form.
    ///
    /// # Errors
    /// [`KeyError::Stored`] if it is damaged.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::RS256 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Stored)?)),
            Algorithm::EdDSA => {
                Pair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyError::Stored)?)
            }
        };
        Self::new(pair)
    }

    /// The form in which it is stored (sealed).
    ///
    /// # Errors
    /// [`KeyError::Crypto`] if the library fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let failed = KeyError::Crypto("write a key");
        match &self.pair {
            Pair::Rsa(pair) => match AsDer::<Pkcs8V1Der<'_>>::as_der(pair.as_ref()) {
                Ok(der) => Ok(Zeroizing::new(der.as_ref().to_vec())),
                Err(_) => Err(failed),
            },
            Pair::Ed(pair) => pair.to_pkcs8v1().map(|der| Zeroizing::new(der.as_ref().to_vec())).map_err(|_| failed),
        }
    }

    /// The public half.
    pub fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RS256,
            Pair::Ed(_) => Algorithm::EdDSA,
        }
    }

    /// Makes an access token.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] if the library fails.
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
                    .map_err(|_| KeyError::Crypto("sign"))?;
                signature
            }
            Pair::Ed(pair) => pair.sign(token.as_bytes()).as_ref().to_vec(),
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn new(pair: Pair) -> Result<Self, KeyError> {
        let public = public_half(&pair)?;
        let header = serde_json::json!({ "typ": "at+jwt", "alg": public.alg, "kid": public.kid });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        Ok(Self { pair, public, header })
    }
}

fn public_half(pair: &Pair) -> Result<PublicJwk, KeyError> {
    let (algorithm, key) = match pair {
        Pair::Rsa(pair) => (Algorithm::RS256, DecodingKey::from_rsa_der(pair.public_key().as_ref())),
        Pair::Ed(pair) => (Algorithm::EdDSA, DecodingKey::from_ed_der(pair.public_key().as_ref())),
    };
    let failed = |_| KeyError::Crypto("read the public half of a key");
    let jwk = Jwk::from_decoding_key(&key, Some(algorithm.into())).map_err(failed)?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(failed)?;
    let mut public =
        PublicJwk { kid, alg: algorithm.name(), kty: "RSA", usage: "sig", n: None, e: None, crv: None, x: None };
    match jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            public.n = Some(rsa.n);
            public.e = Some(rsa.e);
        }
        AlgorithmParameters::OctetKeyPair(okp) => {
            public.kty = "OKP";
            public.crv = Some("Ed25519");
            public.x = Some(okp.x);
        }
        _ => return Err(KeyError::Crypto("read the public half of a key")),
    }
    Ok(public)
}

/// A JWK set, as `/.well-known/jwks.json` shows it.
pub fn jwk_set<'a>(keys: impl IntoIterator<Item = &'a PublicJwk>) -> serde_json::Value {
    serde_json::json!({ "keys": keys.into_iter().collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use authn::Verifier;
    use clock::Clock;

    fn claims(now: i64) -> Claims {
        Claims {
            iss: "nova".into(),
            aud: "nova".into(),
            sub: ids::UserId::generate(chrono::DateTime::from_timestamp(now, 0).expect("valid")).to_string(),
            iat: now,
            exp: now + 900,
            jti: "1".into(),
            sid: Some(ids::SessionId::generate(chrono::DateTime::from_timestamp(now, 0).expect("valid")).to_string()),
            roles: vec!["user".into()],
            scope: String::new(),
        }
    }

    #[tokio::test]
    async fn tokens_pass_the_verifier_with_the_published_key_only() {
        let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("valid");
        for algorithm in [Algorithm::RS256, Algorithm::EdDSA] {
            let key = SigningKey::generate(algorithm).expect("made");
            let again = SigningKey::from_pkcs8(algorithm, &key.to_pkcs8().expect("written")).expect("read");
            assert_eq!(key.public(), again.public());
            assert_eq!((again.algorithm(), again.kid().len()), (algorithm, 43));

            let token = again.sign(&claims(start.timestamp())).expect("signed");
            let verifier = |published: &SigningKey| {
                let verifier = Verifier::new(Clock::mock(start).0, "nova", "nova");
                verifier.install(&jwk_set([published.public()]).to_string()).expect("installed");
                verifier
            };
            assert!(verifier(&key).verify(&token).await.is_ok());
            if algorithm == Algorithm::EdDSA {
                // It waits a second for a key of this name.
                let other = SigningKey::generate(Algorithm::EdDSA).expect("made");
                assert!(verifier(&other).verify(&token).await.is_err());
            }
        }
    }

    #[test]
    fn keys_are_imported_from_pem() {
        let key = SigningKey::generate(Algorithm::RS256).expect("made");
        let der = base64::engine::general_purpose::STANDARD.encode(key.to_pkcs8().expect("written").as_slice());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        assert_eq!(SigningKey::from_pem(&pem).expect("read").kid(), key.kid());
        for bad in ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(matches!(SigningKey::from_pem(bad), Err(KeyError::Pem)), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_private_key() {
        let key = SigningKey::generate(Algorithm::EdDSA).expect("made");
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    }
}
