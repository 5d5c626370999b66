//! ExportAccount: one file of JSON lines with all that three services hold on a person, and with nothing of others.

use std::collections::BTreeMap;

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use protos::auth::v1::ExportAccountRequest;
use serde_json::{Value, json};
use test_harness::{Link, Outcome, Person, ServiceName, World};
use testkit::assert_reason;
use tonic::Code;

const PATH: &str = "/api/v1/auth/account/export";

/// Media type, disposition and lines of an export over REST.
async fn export(world: &World, person: &Person) -> Outcome<(String, String, Vec<Value>)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let request = Request::get(world.http(ServiceName::Auth).await? + PATH)
        .header("authorization", format!("Bearer {}", person.tokens.access_token))
        .header("accept", "application/x-ndjson")
        .body(Full::default())
        .expect("a request");
    let (head, body) = client.request(request).await.expect("an answer").into_parts();
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().expect("text")).to_owned();
    assert_eq!(head.status, 200);
    let body = body.collect().await.expect("an answer has an end").to_bytes();
    let text = std::str::from_utf8(&body).expect("UTF-8");
    assert!(text.ends_with('\n'), "the last line is whole");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    Ok((header("content-type"), header("content-disposition"), lines))
}

#[tokio::test]
async fn a_lively_person_gets_one_file_with_everything_and_nothing_of_others() -> Outcome {
    let world = World::start().await;
    let [ada, bob, carol] = world.people(["ada", "bob", "carol"]).await?;
    ada.follow(&bob).await?;
    carol.follow(&ada).await?;
    let chat = ada.direct_with(&bob).await?.id;
    let group = bob.group_with(&[&ada, &carol], "a club").await?.id;
    let mut own = vec![];
    for n in 0..130 {
        own.push(ada.send(&chat, &format!("ada says {n}\n\"quoted\" \u{2028}")).await?.id);
        if n % 10 == 0 {
            own.push(ada.send(&group, &format!("ada tells {n}")).await?.id);
            ada.read(&bob.send(&chat, &format!("bob answers {n}")).await?.id).await?;
            carol.send(&group, &format!("carol answers {n}")).await?;
        }
    }
    ada.edit(&own[0], "ada says better", 0).await?;
    ada.delete(&own[2]).await?;
    ada.block(&carol).await?;

    let (media_type, disposition, mut lines) = export(&world, &ada).await?;
    assert_eq!(media_type, "application/x-ndjson");
    assert_eq!(disposition, "attachment; filename=\"export.ndjson\"");
    let end = lines.pop().expect("lines");
    assert_eq!((&end["service"], &end["kind"]), (&json!("auth"), &json!("end")));
    let mut counts = BTreeMap::<&str, u64>::new();
    for line in &lines {
        assert!(line["record"].is_object(), "{line}");
        assert_eq!(line.as_object().expect("an object").len(), 3, "{line}");
        *counts.entry(line["kind"].as_str().expect("a kind")).or_default() += 1;
    }
    let counted: BTreeMap<&str, u64> = end["record"]["counts"]
        .as_object()
        .expect("counts")
        .iter()
        .map(|(kind, count)| (kind.as_str(), count.as_str().expect("a text").parse().expect("a number")))
        .collect();
    assert_eq!(counts, counted);

    let of =
        |kind: &str| lines.iter().filter(|line| line["kind"] == kind).map(|line| &line["record"]).collect::<Vec<_>>();
    assert_eq!((&of("account")[0]["email"], &of("profile")[0]["username"]), (&json!(ada.email), &json!(ada.username)));
    assert_eq!(of("follow")[0]["followeeId"], bob.id.as_str());
    assert_eq!(of("block")[0]["blockedId"], carol.id.as_str());
    assert!(of("follower").is_empty(), "a block ends what was there");
    let mut messages: Vec<_> = of("message").iter().map(|m| m["id"].as_str().expect("an id")).collect();
    messages.sort_unstable();
    own.sort_unstable();
    assert_eq!(messages, own);
    assert!(of("message").iter().all(|message| message["senderId"] == ada.id.as_str()));
    assert_eq!(of("membership").len(), 2);
    let text = format!("{lines:?}");
    assert!(text.contains("ada says better") && text.contains("a club"));
    let not_there = ["bob answers", "carol answers", "ada says 0", &ada.password, &ada.tokens.refresh_token];
    for others in not_there.into_iter().chain([&*ada.tokens.access_token, "argon2", &*bob.email, &*carol.username]) {
        assert!(!text.contains(others), "{others} is in the export");
    }
    Ok(())
}

#[tokio::test]
async fn without_messaging_an_export_has_no_end() -> Outcome {
    let world = World::own().await;
    let ada = world.person("ada").await?;
    let chat = ada.direct_with(&world.person("bob").await?).await?.id;
    ada.send(&chat, "hello").await?;
    world.set_link(ServiceName::Messaging, Link::Cut)?;
    let mut answers = ada.clients.auth.clone().export_account(ExportAccountRequest::default()).await?.into_inner();
    let mut kinds = vec![];
    let status = loop {
        match answers.message().await {
            Ok(answer) => kinds.push(answer.expect("no end but a failure").kind),
            Err(status) => break status,
        }
    };
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    assert!(kinds.contains(&"settings".to_owned()) && !kinds.contains(&"end".to_owned()), "{kinds:?}");

    let (.., lines) = export(&world, &ada).await?;
    let last = lines.last().expect("lines");
    assert_eq!((&last["problem"]["reason"], &last["problem"]["status"]), (&json!("UNAVAILABLE"), &json!(503)));
    assert!(lines.iter().all(|line| line["kind"] != "end"));
    world.set_link(ServiceName::Messaging, Link::Open)?;
    testkit::eventually("a whole export", std::time::Duration::from_secs(20), || async {
        let (.., lines) = export(&world, &ada).await.ok()?;
        (lines.last()?["kind"] == "end").then_some(())
    })
    .await;
    Ok(())
}
