//! Nothing is believed but what has been signed, byte for byte. `fuzz/` tries the same for longer.

use std::sync::{Arc, LazyLock};

use authn::{Caller, Claims, Denied, ROLE_ADMIN, ROLE_SERVICE, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::UserId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use testkit::{Tokens, mock_clock};
use tokio::runtime::Builder;

struct World {
    tokens: Tokens,
    verifier: Arc<Verifier>,
    claims: Claims,
    /// All believed: a person's, an administrator's, a service's.
    signed: [String; 3],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (clock, _hands) = mock_clock();
    let tokens = Tokens::new(clock.clone());
    let user = UserId::generate(clock.now());
    let (verifier, claims) = (tokens.verifier(), tokens.claims(user, &[]));
    let signed = [tokens.sign(&claims), tokens.admin(user), tokens.service("messaging")];
    World { tokens, verifier, claims, signed }
});

fn verify(token: &str) -> Result<Caller, Denied> {
    // A key that is not known is waited for.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(WORLD.verifier.verify(token))
}

fn parts(of: usize) -> [&'static str; 3] {
    let parts: Vec<&str> = WORLD.signed[of].split('.').collect();
    parts.try_into().expect("a token has three parts")
}

fn header(of: usize) -> serde_json::Value {
    let json = URL_SAFE_NO_PAD.decode(parts(of)[0]).expect("base64");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn what_has_been_signed_is_believed() {
    for token in &WORLD.signed {
        verify(token).expect("it is good");
    }
}

#[test]
fn no_other_algorithm_is_taken_than_the_keys_own() {
    let claims = Claims { roles: vec![ROLE_ADMIN.to_owned()], ..WORLD.claims.clone() };
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).expect("JSON"));
    let kid = header(0)["kid"].as_str().expect("a key id").to_owned();
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = serde_json::json!({"alg": none, "typ": "JWT", "kid": kid}).to_string();
        for signature in ["", "AA", parts(1)[2]] {
            let token = format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(&header));
            assert_eq!(verify(&token).err(), Some(Denied::TokenInvalid), "{none:?}");
        }
    }
    // The public key is no secret, so a MAC that is made with it must be worth nothing.
    let public = &WORLD.tokens.state().keys[0];
    let raw = URL_SAFE_NO_PAD.decode(&public.x).expect("base64");
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        for secret in [raw.as_slice(), public.x.as_bytes()] {
            let header = Header { kid: Some(kid.clone()), ..Header::new(algorithm) };
            let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("a MAC");
            assert_eq!(verify(&token).err(), Some(Denied::TokenInvalid), "{algorithm:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_a_token_can_be_changed(of in 0..3_usize, at in any::<prop::sample::Index>(), byte in 0..0x80_u8) {
        let token = &WORLD.signed[of];
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).expect("ASCII");
        prop_assert_eq!(verify(&changed).is_ok(), changed == *token, "{}", changed);
    }

    #[test]
    fn nothing_can_be_added_to_a_token_or_taken_from_it(
        of in 0..3_usize,
        at in any::<prop::sample::Index>(),
        taken in 0..4_usize,
        added in "[A-Za-z0-9=._ -]{0,4}",
    ) {
        let token = &WORLD.signed[of];
        let at = at.index(token.len());
        let changed = format!("{}{added}{}", &token[..at], &token[(at + taken).min(token.len())..]);
        prop_assert_eq!(verify(&changed).is_ok(), changed == *token, "{}", changed);
    }

    #[test]
    fn parts_of_different_tokens_make_none(header in 0..3_usize, claims in 0..3_usize, signature in 0..3_usize) {
        let token = format!("{}.{}.{}", parts(header)[0], parts(claims)[1], parts(signature)[2]);
        prop_assert_eq!(verify(&token).is_ok(), WORLD.signed.contains(&token));
    }

    #[test]
    fn claims_are_worth_nothing_under_the_signature_of_others(
        of in 0..3_usize,
        role in prop_oneof![Just(ROLE_ADMIN.to_owned()), Just(ROLE_SERVICE.to_owned()), "[a-z]{0,8}"],
        subject in "[ -~]{0,40}",
        longer in any::<u32>(),
    ) {
        let exp = WORLD.claims.exp + i64::from(longer);
        let claims = Claims { roles: vec![role], sub: subject, exp, ..WORLD.claims.clone() };
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).expect("JSON"));
        let token = format!("{}.{body}.{}", parts(of)[0], parts(of)[2]);
        prop_assert_eq!(verify(&token).err(), Some(Denied::TokenInvalid));
    }

    #[test]
    fn no_text_is_a_token(text in prop_oneof!["\\PC{0,200}", "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,90}"]) {
        prop_assert_eq!(verify(&text).err(), Some(Denied::TokenInvalid));
    }

    #[test]
    fn signed_claims_of_any_kind_make_no_caller_that_they_should_not(
        issuer in prop_oneof![3 => Just("nova".to_owned()), 1 => "[a-z]{0,8}"],
        audience in prop_oneof![3 => Just("nova".to_owned()), 1 => "[a-z]{0,8}"],
        issued in prop_oneof![-100_i64..100, any::<i64>()],
        expires in prop_oneof![-100_i64..100, any::<i64>()],
        has_session in any::<bool>(),
        is_user in any::<bool>(),
    ) {
        let now = WORLD.claims.iat;
        let claims = Claims {
            iss: issuer,
            aud: audience,
            iat: now.saturating_add(issued),
            // Before 1970 there is no time to say.
            exp: now.saturating_add(expires).max(0),
            sid: WORLD.claims.sid.clone().filter(|_| has_session),
            sub: if is_user { WORLD.claims.sub.clone() } else { "nobody".to_owned() },
            ..WORLD.claims.clone()
        };
        // Clocks of different machines may be 5 s apart.
        let ours = claims.iss == "nova" && claims.aud == "nova" && has_session && is_user && claims.iat <= now + 5;
        let expected = match (ours, claims.exp > now) {
            (false, _) => Err(Denied::TokenInvalid),
            (true, false) => Err(Denied::TokenExpired),
            (true, true) => Ok(()),
        };
        prop_assert_eq!(verify(&WORLD.tokens.sign(&claims)).map(|_| ()), expected);
    }
}
