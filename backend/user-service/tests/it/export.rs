//! ExportUser: all that is held on a person, and nothing that is another's.

use std::time::Duration;

use chassis::config::Paging;
use futures::TryStreamExt;
use protos::user::v1 as pb;
use serde_json::{Value, json};
use testkit::assert_reason;
use tonic::{Code, Status};

use crate::world::{Client, Person, World};

/// Kind and record of each message.
async fn export(mut client: Client, user: &str) -> Result<Vec<(String, Value)>, Status> {
    let request = pb::ExportUserRequest { user_id: user.to_owned() };
    let records: Vec<_> = client.export_user(request).await?.into_inner().try_collect().await?;
    Ok(records.into_iter().map(|r| (r.kind, serde_json::from_str(&r.record).expect("JSON"))).collect())
}

/// A world whose pages have two rows.
async fn small_pages() -> World {
    World::start_with(|config, _| config.paging = Paging { max_limit: 2, default_limit: 2 }).await
}

fn follow(from: &Person, to: &Person) -> Value {
    json!({ "followerId": from.id.to_string(), "followeeId": to.id.to_string() })
}

fn block(from: &Person, to: &Person) -> Value {
    json!({ "blockerId": from.id.to_string(), "blockedId": to.id.to_string() })
}

#[tokio::test]
async fn everything_is_exported_once_across_pages_and_nothing_of_others() {
    let world = small_pages().await;
    let [ada, one, two, three, four, five] = world.people(["ada", "one", "two", "three", "four", "five"]).await;
    let [blocked, blocker, apart] = world.people(["blocked", "blocker", "apart"]).await;
    let tick = || world.hands.advance(Duration::from_millis(1));
    // Three rows are a page and a half, two are a page and an empty one, one is a half.
    for whom in [&one, &two, &three] {
        tick();
        ada.follow(whom).await.unwrap();
    }
    for who in [&one, &four] {
        tick();
        who.follow(&ada).await.unwrap();
    }
    five.set_private(true).await;
    ada.follow(&five).await.unwrap();
    ada.set_private(true).await;
    for who in [&two, &three] {
        tick();
        who.follow(&ada).await.unwrap();
    }
    for who in [&blocked, &apart] {
        tick();
        ada.block(who).await.unwrap();
    }
    blocker.block(&ada).await.unwrap();
    one.follow(&four).await.unwrap();
    ada.settings(pb::UpdateUserSettingsRequest { dark_mode: Some(true), ..Default::default() }).await.unwrap();

    let mut records = export(world.service(), &ada.id.to_string()).await.unwrap();
    let profile = records.remove(0);
    assert_eq!((profile.0.as_str(), &profile.1["username"]), ("profile", &json!("ada")));
    assert_eq!((&profile.1["followingCount"], profile.1.get("email")), (&json!("3"), None));
    let settings = records.remove(0);
    assert_eq!((settings.0.as_str(), &settings.1["darkMode"]), ("settings", &json!(true)));
    for (_, record) in &mut records {
        let at = record.as_object_mut().unwrap().remove("createdAt").expect("a time");
        assert!(at.as_str().is_some_and(|at| at.starts_with("2026-06-01T12:00:00.")), "{at}");
    }
    let expected = [
        ("follow", follow(&ada, &three)),
        ("follow", follow(&ada, &two)),
        ("follow", follow(&ada, &one)),
        ("follower", follow(&four, &ada)),
        ("follower", follow(&one, &ada)),
        ("follow_request", follow(&ada, &five)),
        ("follow_request", follow(&three, &ada)),
        ("follow_request", follow(&two, &ada)),
        ("block", block(&ada, &apart)),
        ("block", block(&ada, &blocked)),
    ];
    assert_eq!(records, expected.map(|(kind, record)| (kind.to_owned(), record)));
}

#[tokio::test]
async fn it_is_for_services_and_of_people_who_exist() {
    let world = small_pages().await;
    let [ada, bob] = world.people(["ada", "bob"]).await;
    let id = ada.id.to_string();
    for client in [ada.client(), bob.client(), world.admin()] {
        assert_reason(&export(client, &id).await.unwrap_err(), Code::PermissionDenied, "PERMISSION_DENIED");
    }
    assert_reason(&export(world.nobody(), &id).await.unwrap_err(), Code::Unauthenticated, "UNAUTHENTICATED");
    assert_reason(&export(world.service(), "ada").await.unwrap_err(), Code::InvalidArgument, "INVALID_ARGUMENT");
    let unknown = world.new_id().to_string();
    assert_reason(&export(world.service(), &unknown).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    // Whose profile was never announced has one when it is asked for.
    let new = world.account("newcomer");
    let records = export(world.service(), &new.id.to_string()).await.unwrap();
    let kinds: Vec<&str> = records.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["profile", "settings"]);
}
