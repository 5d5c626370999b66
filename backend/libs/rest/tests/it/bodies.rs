//! Proto3 JSON, in and out.

use http::Method;
use serde_json::json;

use crate::fake::Fake;

/// The same as `google.protobuf.json_format` of Python prints with `always_print_fields_with_no_presence`.
#[tokio::test]
async fn answers_are_proto3_json() {
    let zoo = Fake::zoo();
    let full = json!({ "animal": {
        "id": "7", "name": "Leo", "diet": "MEAT", "legs": 4, "steps": "9223372036854775807", "cells": "18446744073709551615",
        "tame": true, "genome": "AP/+", "weight": 190.5, "nickNames": ["a", "b"], "meals": { "goat": 2 },
        "place": { "cage": "north", "level": 0, "doors": [] }, "formerPlaces": [{ "cage": "", "doors": ["x"] }],
        "hungry": false, "version": "3",
    }});
    zoo.replies(full.clone());
    assert_eq!(zoo.get("/zoo/beasts/7").await.ok(), full);

    zoo.replies(json!({ "animal": {} }));
    let empty = json!({ "animal": {
        "id": "", "diet": "DIET_UNSPECIFIED", "legs": 0, "steps": "0", "cells": "0", "tame": false, "genome": "",
        "weight": 0.0, "nickNames": [], "meals": {}, "formerPlaces": [], "version": "0",
    }});
    assert_eq!(zoo.get("/zoo/beasts/7").await.ok(), empty);
    zoo.replies(json!({}));
    assert_eq!(zoo.get("/zoo/beasts/7").await.ok(), json!({}));
    assert_eq!(zoo.get("/zoo/k/animals").await.ok(), json!({ "animals": [] }));
}

#[tokio::test]
async fn bodies_may_use_every_spelling_that_proto3_json_has() {
    let zoo = Fake::zoo();
    let wanted = json!({
        "id": "7", "name": "", "diet": "MEAT", "legs": 4, "steps": "9007199254740993", "cells": "5", "tame": true,
        "genome": "AP/+", "weight": 1.5, "nick_names": ["a"], "meals": { "goat": 2 }, "place": { "cage": "n", "level": 0 },
        "hungry": false,
    });
    for body in [
        json!({
            "id": "7", "name": "", "diet": "MEAT", "legs": 4, "steps": "9007199254740993", "cells": "5", "tame": true,
            "genome": "AP/+", "weight": 1.5, "nickNames": ["a"], "meals": { "goat": 2 },
            "place": { "cage": "n", "level": 0 }, "hungry": false,
        }),
        json!({
            "id": "7", "name": "", "diet": 2, "legs": "4", "steps": 9_007_199_254_740_993_i64, "cells": 5, "tame": true,
            "genome": "AP_-", "weight": "1.5", "nick_names": ["a"], "meals": { "goat": "2" },
            "place": { "cage": "n", "level": 0 }, "hungry": false, "former_places": null,
        }),
    ] {
        zoo.json(Method::POST, "/zoo/animals", body).await.ok();
        assert_eq!(zoo.request(), wanted);
    }
}

#[tokio::test]
async fn no_body_is_an_empty_request() {
    let zoo = Fake::zoo();
    zoo.send(Method::POST, "/zoo/animals", &[], "").await.ok();
    assert_eq!(zoo.request(), json!({}));
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name_wherever_they_are() {
    let zoo = Fake::zoo();
    let body =
        json!({ "id": "7", "colour": 1, "place": { "cage": "n", "roof": true }, "formerPlaces": [{}, { "mat": 1 }] });
    let mut refused = zoo.json(Method::POST, "/zoo/animals", body).await.refused_fields();
    refused.sort();
    assert_eq!(refused, ["colour", "former_places[1].mat", "place.roof"]);
    assert!(zoo.seen().is_empty());
}

#[tokio::test]
async fn wrong_types_are_refused_by_name() {
    let zoo = Fake::zoo();
    for (body, field) in [
        (json!({ "legs": "four" }), "legs"),
        (json!({ "legs": 2147483648_i64 }), "legs"),
        (json!({ "legs": 1.5 }), "legs"),
        (json!({ "steps": [] }), "steps"),
        (json!({ "cells": -1 }), "cells"),
        (json!({ "tame": "true" }), "tame"),
        (json!({ "name": 5 }), "name"),
        (json!({ "diet": "FISH" }), "diet"),
        (json!({ "genome": "***" }), "genome"),
        (json!({ "weight": "heavy" }), "weight"),
        (json!({ "nickNames": "a" }), "nick_names"),
        (json!({ "nickNames": ["a", 1] }), "nick_names[1]"),
        (json!({ "place": { "level": "up" } }), "place.level"),
        (json!({ "place": 1 }), "place"),
        (json!({ "formerPlaces": [{}, { "cage": 1 }] }), "former_places[1].cage"),
        (json!({ "meals": { "goat": "some" } }), "meals.goat"),
    ] {
        let answer = zoo.json(Method::POST, "/zoo/animals", body.clone()).await;
        assert_eq!(answer.refused_fields(), [field], "{body}");
    }
    assert!(zoo.seen().is_empty());
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_with_its_place() {
    let zoo = Fake::zoo();
    let json = [("content-type", "application/json")];
    for body in
        [&b"{\"id\": }"[..], b"[]", b"1", b"null", b"{} {}", b"{\"id\":\"7\"", b"\xff\xfe", b"{\"id\":\"\xff\"}", b"\0"]
    {
        let answer = zoo.send(Method::POST, "/zoo/animals", &json, body.to_vec()).await;
        assert_eq!(answer.refused_fields(), ["body"], "{}", String::from_utf8_lossy(body));
    }
    let deep = "[".repeat(100_000);
    assert_eq!(zoo.send(Method::POST, "/zoo/animals", &json, deep).await.refused_fields(), ["body"]);
    assert!(zoo.seen().is_empty());
}

#[tokio::test]
async fn only_json_in_utf_8_is_a_body() {
    let zoo = Fake::zoo();
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        zoo.send(Method::POST, "/zoo/animals", &[("content-type", good)], "{}").await.ok();
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""] {
        let answer = zoo.send(Method::POST, "/zoo/animals", &[("content-type", bad)], "{}").await;
        answer.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    zoo.send(Method::POST, "/zoo/animals", &[], "{}").await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
}
