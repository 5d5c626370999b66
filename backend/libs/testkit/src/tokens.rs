//! Access tokens for tests of services that only check them.

use std::sync::Arc;

use authn::{Algorithm, Claims, Verifier};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Clock;
use ids::{SessionId, UserId};
use jsonwebtoken::{EncodingKey, Header};
use protos::auth::v1::{GetTokenStateResponse, PublicKey};

/// The issuer of test tokens, which is the default issuer too.
pub const ISSUER: &str = "nova";
/// The audience of test tokens, which is the default audience too.
pub const AUDIENCE: &str = "nova";
const KID: &str = "test-key";
/// Life of a test token in seconds.
const LIFE: i64 = 900;

/// Signs tokens with a key of its own.
pub struct Tokens {
    clock: Clock,
    key: EncodingKey,
    jwks: String,
}

impl Tokens {
    /// A new key; tokens are issued at the clock's time.
    ///
    /// # Panics
    /// If no key can be made.
    pub fn new(clock: Clock) -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key can be made");
        let pkcs8 = pair.to_pkcs8v1().expect("a key can be written");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwks = serde_json::json!({ "keys": [{
            "kid": KID, "alg": Algorithm::EdDSA.name(), "use": "sig", "kty": "OKP", "crv": "Ed25519", "x": x
        }] });
        Self { clock, key: EncodingKey::from_ed_der(pkcs8.as_ref()), jwks: jwks.to_string() }
    }

    /// A verifier that believes these tokens.
    ///
    /// # Panics
    /// If the key set can't be read.
    pub fn verifier(&self) -> Arc<Verifier> {
        let verifier = Verifier::new(self.clock.clone(), ISSUER, AUDIENCE);
        verifier.install(&self.jwks).expect("the key set is valid");
        Arc::new(verifier)
    }

    /// The public key as a JWK set.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// What an auth service answers to who follows the state of tokens: its public key, and no ended session.
    ///
    /// # Panics
    /// If the key set can't be read.
    pub fn state(&self) -> GetTokenStateResponse {
        let jwks: serde_json::Value = serde_json::from_str(&self.jwks).expect("it was written here");
        let text = |name: &str| jwks["keys"][0][name].as_str().unwrap_or_default().to_owned();
        let key = PublicKey {
            kid: text("kid"),
            alg: text("alg"),
            kty: text("kty"),
            crv: text("crv"),
            x: text("x"),
            ..PublicKey::default()
        };
        GetTokenStateResponse { as_of: clock::rfc3339(self.clock.now()), keys: vec![key], ..Default::default() }
    }

    /// A person's token, with a new session.
    pub fn person(&self, user: UserId) -> String {
        self.sign(&self.claims(user, &[]))
    }

    /// An administrator's token.
    pub fn admin(&self, user: UserId) -> String {
        self.sign(&self.claims(user, &["admin"]))
    }

    /// A service's token.
    pub fn service(&self, client_id: &str) -> String {
        let person = self.claims(UserId::generate(self.clock.now()), &["service"]);
        self.sign(&Claims { sub: client_id.to_owned(), sid: None, ..person })
    }

    /// The claims of a person's token, to be changed by a test.
    pub fn claims(&self, user: UserId, roles: &[&str]) -> Claims {
        let now = self.clock.now();
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            iat: now.timestamp(),
            exp: now.timestamp() + LIFE,
            jti: SessionId::generate(now).to_string(),
            sid: Some(SessionId::generate(now).to_string()),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            scope: String::new(),
        }
    }

    /// Signs any claims.
    ///
    /// # Panics
    /// If signing fails.
    pub fn sign(&self, claims: &Claims) -> String {
        let header = Header { kid: Some(KID.to_owned()), ..Header::new(Algorithm::EdDSA.into()) };
        jsonwebtoken::encode(&header, claims, &self.key).expect("claims can be signed")
    }
}
