//! Access tokens: nothing is believed but what has been signed, byte for byte.
//!
//! The input is a text to be taken as a token, or the changes to make to one that is valid.

#![no_main]

use std::sync::{Arc, LazyLock};

use authn::{Claims, Denied, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use clock::Clock;
use ids::UserId;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use nova_fuzz::block_on;
use testkit::Tokens;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// Any text.
    Text(&'a str),
    /// A valid token with a part in place of its own.
    Part {
        of: u8,
        place: u8,
        part: &'a str,
    },
    /// The same; the part is written in base64 first.
    Encoded {
        of: u8,
        place: u8,
        part: &'a [u8],
    },
    /// The parts of valid tokens, put together anew.
    Mixed([u8; 3]),
    /// A valid token with one byte changed, one left out, or some put in.
    Byte {
        of: u8,
        at: u16,
        byte: u8,
    },
    Cut {
        of: u8,
        at: u16,
    },
    Put {
        of: u8,
        at: u16,
        text: &'a str,
    },
    /// Claims of anybody, under the signature of others.
    Claims {
        of: u8,
        roles: Vec<&'a str>,
        subject: &'a str,
        expires: i64,
    },
}

struct World {
    verifier: Arc<Verifier>,
    /// Good ones first, then some that are signed and must be refused.
    signed: Vec<String>,
    good: usize,
    claims: Claims,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (clock, _hands) = Clock::mock(DateTime::from_timestamp(1_790_000_000, 0).expect("a time"));
    let (tokens, stranger) = (Tokens::new(clock.clone()), Tokens::new(clock.clone()));
    let user = UserId::generate(clock.now());
    let claims = tokens.claims(user, &["admin"]);
    let mut signed = vec![tokens.person(user), tokens.admin(user), tokens.service("messaging")];
    let good = signed.len();
    let of_another = |change: fn(&mut Claims)| {
        let mut claims = claims.clone();
        change(&mut claims);
        tokens.sign(&claims)
    };
    signed.extend([
        of_another(|claims| claims.exp = claims.iat),
        of_another(|claims| claims.iat += 3600),
        of_another(|claims| claims.iss = "another".to_owned()),
        of_another(|claims| claims.aud = "another".to_owned()),
        of_another(|claims| claims.sid = None),
        of_another(|claims| claims.sub = "nobody".to_owned()),
        stranger.admin(user),
        stranger.service("messaging"),
    ]);
    World { verifier: tokens.verifier(), signed, good, claims }
});

fuzz_target!(|input: Input<'_>| {
    let world = &*WORLD;
    let signed = |of: u8| &world.signed[usize::from(of) % world.signed.len()];
    let parts = |of: u8| signed(of).split('.').collect::<Vec<_>>();
    let replaced = |of: u8, place: u8, part: &str| {
        let mut parts = parts(of);
        parts[usize::from(place) % 3] = part;
        parts.join(".")
    };
    let token = match input {
        Input::Text(text) => text.to_owned(),
        Input::Part { of, place, part } => replaced(of, place, part),
        Input::Encoded { of, place, part } => replaced(of, place, &URL_SAFE_NO_PAD.encode(part)),
        Input::Mixed(of) => [0, 1, 2].map(|place| parts(of[place])[place]).join("."),
        Input::Byte { of, at, byte } => {
            let mut bytes = signed(of).clone().into_bytes();
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte & 0x7f;
            String::from_utf8(bytes).expect("ASCII")
        }
        Input::Cut { of, at } => {
            let mut text = signed(of).clone();
            text.remove(usize::from(at) % text.len());
            text
        }
        Input::Put { of, at, text } => {
            let mut token = signed(of).clone();
            token.insert_str(usize::from(at) % (token.len() + 1), text);
            token
        }
        Input::Claims { of, roles, subject, expires } => {
            let roles = roles.into_iter().map(str::to_owned).collect();
            let claims = Claims { roles, sub: subject.to_owned(), exp: expires, ..world.claims.clone() };
            replaced(of, 1, &URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).expect("claims are plain")))
        }
    };
    let is_good = world.signed[..world.good].contains(&token);
    match block_on(world.verifier.verify(&token)) {
        Ok(caller) => assert!(is_good, "{token} was believed: {caller:?}"),
        Err(Denied::TokenInvalid) => assert!(!is_good, "{token} was refused"),
        Err(Denied::TokenExpired) => assert_eq!(token, world.signed[world.good], "only one of them has expired"),
        Err(denied) => panic!("{token}: {denied}"),
    }
});
