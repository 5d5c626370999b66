//! Path and query parameters, form by form.

use http::Method;
use serde_json::json;

use crate::fake::Fake;

#[tokio::test]
async fn every_kind_of_query_parameter_arrives() {
    let zoo = Fake::zoo();
    let query = "name=Leo%20the+lion&diets=MEAT&diets=1&limit=-7&afterSteps=9007199254740993&tame=true\
                 &genome=_-8&weight=190.5&cells=4294967295&place.cage=n%C3%B6rd&place.level=0&place.doors=a&place.doors=b\
                 &nick_names=x&nickNames=y";
    zoo.get(&format!("/zoo/me/animals?{query}")).await.ok();
    let seen = zoo.request();
    assert_eq!(
        seen,
        json!({
            "keeper": "me", "name": "Leo the lion", "diets": ["MEAT", "GRASS"], "limit": -7,
            "after_steps": "9007199254740993", "tame": true, "genome": "/+8=", "weight": 190.5, "cells": 4294967295_u32,
            "place": { "cage": "nörd", "level": 0, "doors": ["a", "b"] }, "nick_names": ["x", "y"],
        })
    );
}

#[tokio::test]
async fn presence_is_kept_apart_from_zero_values() {
    let zoo = Fake::zoo();
    zoo.get("/zoo/k/animals").await.ok();
    assert_eq!(zoo.request(), json!({ "keeper": "k" }));
    zoo.get("/zoo/k/animals?name=&after_steps=0&limit=0").await.ok();
    assert_eq!(zoo.request(), json!({ "keeper": "k", "name": "", "after_steps": "0" }));
}

#[tokio::test]
async fn wrong_types_unknown_and_repeated_parameters_are_named_all_at_once() {
    let zoo = Fake::zoo();
    let query = "limit=many&tame=yes&afterSteps=1.5&diets=FISH&genome=***&cells=-1&weight=1e999&place.level=2147483648\
                 &colour=red&keeper=you&meals=1&place=x&name=a&name=b&limit=%ff";
    let refused = zoo.get(&format!("/zoo/k/animals?{query}")).await.refused_fields();
    assert_eq!(
        refused,
        [
            "limit",
            "tame",
            "after_steps",
            "diets",
            "genome",
            "cells",
            "weight",
            "place.level",
            "colour",
            "keeper",
            "meals",
            "place",
            "name",
            "limit",
        ]
    );
    assert!(zoo.seen().is_empty(), "nothing was asked");
    let problem = zoo.get("/zoo/k/animals?diets=FISH").await.problem(400, "INVALID_ARGUMENT");
    assert_eq!(problem["violations"][0]["description"], "must be one of GRASS, MEAT");
    assert_eq!(problem["domain"], "zoo.nova");
}

#[tokio::test]
async fn paths_reach_nested_fields_and_further_bindings() {
    let zoo = Fake::zoo();
    zoo.get("/zoo/animals/north%2F1/caf%C3%A9").await.ok();
    assert_eq!(zoo.request(), json!({ "id": "café", "place": { "cage": "north/1" } }));
    zoo.get("/zoo/beasts/7?place.cage=south").await.ok();
    assert_eq!(zoo.request(), json!({ "id": "7", "place": { "cage": "south" } }));
    assert_eq!(zoo.get("/zoo/beasts/%ff").await.refused_fields(), ["path"]);
}

#[tokio::test]
async fn what_stands_in_the_path_and_in_the_body_must_agree() {
    let zoo = Fake::zoo();
    for (body, agrees) in [
        (json!({ "name": "Leo" }), true),
        (json!({ "id": "7", "name": "Leo" }), true),
        (json!({ "id": "", "name": "Leo" }), true),
        (json!({ "id": "8", "name": "Leo" }), false),
    ] {
        let answer = zoo.json(Method::PATCH, "/zoo/animals/7", body.clone()).await;
        if agrees {
            answer.ok();
            assert_eq!(zoo.request(), json!({ "id": "7", "name": "Leo" }), "{body}");
        } else {
            assert_eq!(answer.refused_fields(), ["id"], "{body}");
        }
    }
}

#[tokio::test]
async fn a_body_may_be_one_field_and_the_rest_a_query() {
    let zoo = Fake::zoo();
    zoo.json(Method::PUT, "/zoo/animals/7/place?inAHurry=true", json!({ "cage": "west", "level": 3 })).await.ok();
    assert_eq!(zoo.request(), json!({ "id": "7", "place": { "cage": "west", "level": 3 }, "in_a_hurry": true }));
    let refused = zoo.json(Method::PUT, "/zoo/animals/7/place?place.cage=x", json!({})).await.refused_fields();
    assert_eq!(refused, ["place.cage"]);
}

#[tokio::test]
async fn a_call_whose_body_is_everything_takes_no_query() {
    let zoo = Fake::zoo();
    let refused = zoo.json(Method::PATCH, "/zoo/animals/7?name=Leo", json!({})).await.refused_fields();
    assert_eq!(refused, ["name"]);
}

#[tokio::test]
async fn a_call_without_a_body_refuses_one() {
    let zoo = Fake::zoo();
    for empty in ["", " ", "{}", " { } "] {
        zoo.send(Method::DELETE, "/zoo/animals/7", &[], empty).await.ok();
        assert_eq!(zoo.request(), json!({ "id": "7" }));
    }
    assert_eq!(zoo.json(Method::DELETE, "/zoo/animals/7", json!({ "id": "7" })).await.refused_fields(), ["body"]);
}
