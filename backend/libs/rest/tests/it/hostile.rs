//! Whatever comes in: nothing panics, and what is refused is refused with a problem document.

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use proptest::prelude::*;
use serde_json::Value;
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

fn now<F: Future>(future: F) -> F::Output {
    Runtime::new().unwrap().block_on(future)
}

/// Every byte of it, so that nothing is special.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A request as the query string that says the same.
fn query(request: &Value, prefix: &str, pairs: &mut Vec<String>) {
    for (name, value) in request.as_object().expect("a message") {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(_) => query(value, &format!("{name}."), pairs),
            Value::Array(values) => {
                pairs.extend(values.iter().map(|value| format!("{name}={}", escaped(&text(value)))));
            }
            value => pairs.push(format!("{name}={}", escaped(&text(value)))),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_that_is_accepted_says_the_same_when_it_is_written_anew(body in json()) {
        let zoo = Fake::zoo();
        let send = |body: String| now(zoo.send(Method::POST, "/zoo/animals", &[("content-type", "application/json")], body));
        if send(body).status.is_success() {
            let asked = zoo.request();
            send(asked.to_string()).ok();
            prop_assert_eq!(zoo.request(), asked);
        }
    }

    #[test]
    fn a_query_that_is_accepted_says_the_same_when_it_is_written_anew(
        pairs in proptest::collection::vec(
            prop_oneof![
                ("(name|nickNames|nick_names|genome|place.cage)", segment()),
                ("(limit|afterSteps|cells|place.level|weight)", "[0-9]{1,6}"),
                ("(diets)", "(GRASS|MEAT|[0-9])"),
                ("(tame)", "(true|false)"),
            ],
            0..5,
        ),
    ) {
        let zoo = Fake::zoo();
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let Ok(path) = format!("/zoo/k/animals?{}", pairs.join("&")).parse::<http::Uri>() else { return Ok(()) };
        if now(zoo.get(&path.to_string())).status.is_success() {
            let mut asked = zoo.request();
            asked.as_object_mut().unwrap().remove("keeper");
            let mut pairs = vec![];
            query(&asked, "", &mut pairs);
            now(zoo.get(&format!("/zoo/k/animals?{}", pairs.join("&")))).ok();
            asked["keeper"] = "k".into();
            prop_assert_eq!(zoo.request(), asked);
        }
    }

    #[test]
    fn any_text_can_stand_in_a_path_and_names_nothing_else(id in "\\PC{1,12}|\\.{1,2}|me|a/b|a%2Fb|\\x00|[\\x00-\\x1f]{1,3}") {
        let zoo = Fake::zoo();
        now(zoo.get(&format!("/zoo/beasts/{}", escaped(&id)))).ok();
        prop_assert_eq!(zoo.request(), serde_json::json!({ "id": id }));
    }

    #[test]
    fn a_token_among_subprotocols_is_passed_on_as_it_is_and_no_other_text_is(protocols in "[ -~]{0,24}|nova\\.bearer\\.[ -~]{0,24}") {
        let zoo = Fake::zoo();
        let mut request = Request::get(crate::herd::EVENTS).body(Body::empty()).unwrap();
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("sec-websocket-protocol", &protocols),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let upgrade = hyper::upgrade::on(&mut request);
        request.extensions_mut().insert(upgrade);
        now(zoo.call(request));
        let token = protocols.split(',').find_map(|protocol| protocol.trim().strip_prefix("nova.bearer."));
        let expected = token.map(|token| format!("Bearer {token}"));
        for seen in zoo.seen() {
            let passed = seen.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            prop_assert_eq!(&passed, &expected);
        }
    }
}
