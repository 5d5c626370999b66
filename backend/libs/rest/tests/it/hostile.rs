//! Whatever comes in: nothing panics, and what is refused is refused with a problem document.

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::fake::{Fake, call};

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("me".to_owned()),
        "[a-z0-9-]{1,12}",
        "(%[0-9a-fA-F]{2}|[!-~&&[^/?#%\"<>\\\\^`{|}]]){1,12}",
        "%[0-9a-zA-Z]{0,2}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let place = prop_oneof![
        segment().prop_map(|a| format!("/zoo/{a}/animals")),
        (segment(), segment()).prop_map(|(a, b)| format!("/zoo/animals/{a}/{b}")),
        segment().prop_map(|a| format!("/zoo/beasts/{a}")),
        segment().prop_map(|a| format!("/zoo/animals/{a}")),
        segment().prop_map(|a| format!("/zoo/herds/{a}/events")),
        Just("/zoo/animals".to_owned()),
        segment().prop_map(|a| format!("/{a}")),
    ];
    let name = prop_oneof![
        proptest::sample::select(vec![
            "name",
            "diets",
            "limit",
            "afterSteps",
            "genome",
            "weight",
            "place.cage",
            "place.level",
            "cursor",
            "x"
        ])
        .prop_map(str::to_owned),
        segment(),
    ];
    let query = proptest::collection::vec((name, segment()), 0..4);
    (place, query).prop_map(|(place, query)| {
        let pairs: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { place } else { format!("{place}?{}", pairs.join("&")) }
    })
}

/// JSON that is nearly right.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}")),
        "\"[ -~&&[^\"\\\\]]{0,8}\"",
        Just("1e999".to_owned()),
        Just("\"\\ud800\"".to_owned()),
    ];
    let names = vec![
        "id",
        "name",
        "diet",
        "legs",
        "steps",
        "cells",
        "genome",
        "weight",
        "nickNames",
        "meals",
        "place",
        "formerPlaces",
        "level",
        "cage",
        "x",
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let name = proptest::sample::select(names.clone());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((name, inner), 0..4).prop_map(|fields| {
                let fields: Vec<String> =
                    fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let names = vec![
        "if-match",
        "if-none-match",
        "idempotency-key",
        "content-type",
        "content-encoding",
        "x-request-id",
        "grpc-timeout",
        "accept-encoding",
        "last-event-id",
        "connection",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
    ];
    let value = prop_oneof![
        proptest::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..24),
        Just(b"\"3\"".to_vec()),
        Just(b"*".to_vec()),
        Just(b"application/json".to_vec()),
        Just(b"gzip".to_vec()),
        Just(b"zstd".to_vec()),
        Just(b"websocket".to_vec()),
    ];
    (proptest::sample::select(names), value)
}

fn verb() -> impl Strategy<Value = Method> {
    proptest::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_has_a_proper_answer(
        verb in verb(),
        path in path(),
        is_json in any::<bool>(),
        body in prop_oneof![json().prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..64)],
        headers in proptest::collection::vec(header(), 0..3),
    ) {
        let Ok(uri) = path.parse::<http::Uri>() else { return Ok(()) };
        let mut request = Request::new(Body::from(body));
        (*request.method_mut(), *request.uri_mut()) = (verb.clone(), uri);
        for (name, value) in headers {
            request.headers_mut().append(name, HeaderValue::from_bytes(&value).expect("no control characters"));
        }
        if is_json {
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        }
        let answer = Runtime::new().unwrap().block_on(call(Fake::zoo().app, request));
        if verb == Method::HEAD {
            prop_assert!(answer.body.is_empty());
        } else if answer.headers.contains_key("content-encoding") {
            prop_assert!(!answer.status.is_server_error());
        } else if answer.header("content-type") == "text/event-stream" {
            prop_assert!(answer.body.starts_with(b"event: message\ndata: {"), "{answer:?}");
        } else if answer.status.is_success() {
            answer.ok();
        } else if answer.status.as_u16() != 304 {
            answer.any_problem();
            prop_assert!(answer.status.is_client_error(), "{answer:?}");
        }
    }
}
