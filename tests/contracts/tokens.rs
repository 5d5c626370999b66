//! Tokens made by hand: good ones, and every kind of forgery.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A key pair that the test knows and the auth service signs with.
pub struct SigningKey {
    /// The private key in PEM.
    pub pem: String,
    encoding: EncodingKey,
    /// The public key in the forms that an attacker would take for an HMAC secret.
    public_forms: Vec<Vec<u8>>,
}

impl SigningKey {
    pub fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).expect("a key can be written");
        let pem = as_pem("PRIVATE KEY", pkcs8.as_ref());
        let spki =
            AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).expect("as can a public one");
        let public_pem = as_pem("PUBLIC KEY", spki.as_ref());
        let public_forms = vec![
            public_pem.trim_end().as_bytes().to_vec(),
            public_pem.into_bytes(),
            spki.as_ref().to_vec(),
            pair.public_key().as_ref().to_vec(),
            URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()).into_bytes(),
        ];
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("our own PEM");
        Self { pem, encoding, public_forms }
    }

    /// Signs claims as the auth service does.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("claims can be signed")
    }

    /// Everything that must not be taken for a token, with the reason it is refused with, made from a good one.
    pub fn forgeries(&self, good: &str) -> Vec<(String, String, &'static str)> {
        let (header, claims) = decoded(good);
        let kid = header["kid"].as_str().expect("tokens name their key").to_owned();
        let changed = |key: &str, value: Value| {
            let mut claims = claims.clone();
            claims[key] = value;
            claims
        };
        let past = changed("exp", json!(claims["iat"].as_i64().expect("a time") - 1));
        let signature = good.rsplit('.').next().expect("three parts");
        let stranger = Self::stranger();
        let bad = "UNAUTHENTICATED";

        let mut forgeries = vec![
            ("expired".to_owned(), self.sign(&kid, &past), "TOKEN_EXPIRED"),
            ("garbage".to_owned(), "garbage".to_owned(), bad),
            ("garbage in three parts".to_owned(), "a.b.c".to_owned(), bad),
            ("empty".to_owned(), String::new(), bad),
            ("another issuer's".to_owned(), self.sign(&kid, &changed("iss", json!("evil"))), bad),
            ("for another audience".to_owned(), self.sign(&kid, &changed("aud", json!("elsewhere"))), bad),
            ("from the future".to_owned(), self.sign(&kid, &changed("iat", json!(4_000_000_000_i64))), bad),
            ("signed with another key".to_owned(), stranger.sign(&kid, &claims), bad),
            (
                "promoted".to_owned(),
                format!("{}.{}.{signature}", part(&header), part(&changed("roles", json!(["admin"])))),
                bad,
            ),
            ("without its signature".to_owned(), good.trim_end_matches(signature).to_owned(), bad),
        ];
        for alg in ["none", "None", "NONE"] {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": kid });
            forgeries.push((format!("alg {alg}"), format!("{}.{}.", part(&header), part(&claims)), bad));
        }
        for (n, secret) in self.public_forms.iter().enumerate() {
            let input = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT", "kid": kid })), part(&claims));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
            let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
            forgeries.push((format!("HS256 with the public key, form {n}"), token, bad));
        }
        forgeries
    }

    fn stranger() -> Self {
        Self::new()
    }
}

/// Header and claims of a token.
pub fn decoded(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
    let mut next = || serde_json::from_slice(&parts.next().expect("three parts")).expect("JSON");
    (next(), next())
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn as_pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
