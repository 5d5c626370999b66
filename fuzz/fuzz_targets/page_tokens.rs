//! Page tokens: what is read gives a token that reads as the same, and no token serves another call.
//!
//! Half of the inputs get the right fingerprint put in front, which chance does not find.

#![no_main]

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use pg::page::{Binding, Limits, Page, PageError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use user_service::storage::search::Hit;
use uuid::Uuid;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    limit: i32,
    offset: i32,
    with_fingerprint: bool,
    text: &'a str,
}

const LIMITS: Limits = Limits { default: 20, max: 100 };
const FINGERPRINT: usize = 8;

fn binding(of: &str) -> Binding {
    Binding::new("ListThings").arg(of)
}

/// `token` as a page of things whose key is `K`; `some` is any key.
fn check<K>(input: &Input<'_>, some: &K, is_possible: impl Fn(&K) -> bool)
where
    K: Serialize + DeserializeOwned + Clone + PartialEq + Debug,
{
    let parse = |limit, offset, token: &str, of| Page::<K>::parse(LIMITS, limit, offset, token, binding(of));
    let token = if input.with_fingerprint {
        let (_, token) = parse(1, 0, "", "a").expect("a first page").finish(vec![(), ()], |()| some.clone());
        let mut bytes = URL_SAFE_NO_PAD.decode(token).expect("a token is base64");
        bytes.truncate(FINGERPRINT);
        bytes.extend_from_slice(input.text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    } else {
        input.text.to_owned()
    };
    let Ok(page) = parse(input.limit, input.offset, &token, "a") else { return };
    assert!((1..=LIMITS.max).contains(&page.limit) && (0..=10_000).contains(&page.offset()));
    let Some(key) = page.after() else {
        assert!(token.is_empty(), "a token says where a page starts");
        return;
    };
    // What can't have been read from a table the list refuses itself.
    if !is_possible(key) {
        return;
    }
    let rows = vec![(); page.limit as usize + 1];
    let (_, again) = page.finish(rows, |()| key.clone());
    let read = parse(input.limit, 0, &again, "a").expect("what was written can be read");
    assert_eq!(read.after(), Some(key));
    for (token, of) in [(&token, "b"), (&again, "")] {
        assert_eq!(parse(input.limit, 0, token, of).err(), Some(PageError::Token), "a token of another call");
    }
}

fuzz_target!(|input: Input<'_>| {
    // The kinds of keys that lists have.
    check(&input, &7_i64, |_| true);
    check(&input, &Uuid::max(), |_| true);
    check(&input, &(7_i64, Uuid::max()), |_| true);
    check(&input, &(Uuid::max(), 7_u32), |_| true);
    check(&input, &Hit { tier: 0, similarity: 0.5, followers: 7, id: Uuid::max() }, Hit::is_possible);
});
