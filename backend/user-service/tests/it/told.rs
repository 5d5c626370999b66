//! What the other services are told of profiles and relations – exactly what has changed – and what is done about what they tell.

use std::time::Duration;

use events::{Event, Payload};
use ids::EventId;
use protos::events::v1::{
    FollowRequested, ProfileUpdated, UserBlocked, UserDeleted, UserFollowed, UserRegistered, UserUnblocked,
    UserUnfollowed,
};
use protos::user::v1 as pb;
use testkit::{EventLog, eventually};
use uuid::Uuid;

use crate::world::{Person, World};

const SOON: Duration = Duration::from_secs(60);

async fn world_on_a_bus() -> (World, EventLog) {
    let log = EventLog::new().await;
    let world = World::start_with(|config, _| config.events = log.section()).await;
    (world, log)
}

/// Kind, and between whom, as names.
fn told(event: &Event, people: &[(&Person, &str)]) -> String {
    let name = |id: &str| people.iter().find(|(person, _)| person.id.to_string() == id).map_or("?", |(_, name)| *name);
    let pair = |what: &str, one: &str, other: &str| format!("{what} {} {}", name(one), name(other));
    if let Ok(event) = event.decode::<UserFollowed>() {
        pair("followed", &event.follower_id, &event.followee_id)
    } else if let Ok(event) = event.decode::<UserUnfollowed>() {
        pair("unfollowed", &event.follower_id, &event.followee_id)
    } else if let Ok(event) = event.decode::<FollowRequested>() {
        pair("requested", &event.follower_id, &event.followee_id)
    } else if let Ok(event) = event.decode::<UserBlocked>() {
        pair("blocked", &event.blocker_id, &event.blocked_id)
    } else if let Ok(event) = event.decode::<UserUnblocked>() {
        pair("unblocked", &event.blocker_id, &event.blocked_id)
    } else if let Ok(event) = event.decode::<ProfileUpdated>() {
        format!("updated {} {}", name(&event.user_id), event.version)
    } else {
        event.kind.clone()
    }
}

#[tokio::test]
async fn each_change_between_two_people_is_told_of_once_in_their_order() {
    let (world, log) = world_on_a_bus().await;
    let [ada, bob] = world.people(["ada", "bob"]).await;
    for _ in 0..2 {
        ada.follow(&bob).await.unwrap();
    }
    bob.follow(&ada).await.unwrap();
    for _ in 0..2 {
        ada.unfollow(&bob).await.unwrap();
    }
    ada.follow(&bob).await.unwrap();
    for _ in 0..2 {
        bob.block(&ada).await.unwrap();
    }
    ada.follow(&bob).await.unwrap_err(); // nothing of a change that is refused
    for _ in 0..2 {
        bob.unblock(&ada).await.unwrap();
    }
    bob.block(&ada).await.unwrap();
    let expected = [
        "followed ada bob",
        "followed bob ada",
        "unfollowed ada bob",
        "followed ada bob",
        "blocked bob ada",
        "unfollowed bob ada",
        "unfollowed ada bob",
        "unblocked bob ada",
        "blocked bob ada",
    ];
    let events = log.take(expected.len()).await;
    let names = [(&ada, "ada"), (&bob, "bob")];
    assert_eq!(events.iter().map(|event| told(event, &names)).collect::<Vec<_>>(), expected);
    assert!(events.iter().all(|event| event.aggregate == events[0].aggregate), "one aggregate, so one order");
}

#[tokio::test]
async fn a_request_is_told_of_as_one_and_as_a_follow_once_it_is_accepted() {
    let (world, log) = world_on_a_bus().await;
    let [ada, bob] = world.people(["ada", "bob"]).await;
    bob.set_private(true).await;
    ada.follow(&bob).await.unwrap();
    ada.unfollow(&bob).await.unwrap(); // a request that is taken back was no follow
    ada.follow(&bob).await.unwrap();
    bob.respond(&ada, false).await.unwrap();
    ada.follow(&bob).await.unwrap();
    bob.respond(&ada, true).await.unwrap();
    let expected = ["updated bob 2", "requested ada bob", "requested ada bob", "requested ada bob", "followed ada bob"];
    let events = log.take(expected.len()).await;
    let names = [(&ada, "ada"), (&bob, "bob")];
    let mut found: Vec<String> = events.iter().map(|event| told(event, &names)).collect();
    // Of the profile and of the pair: between the two there is no order.
    found.sort_by_key(|text| !text.starts_with("updated"));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_changed_profile_and_changed_settings_are_told_of_with_the_profiles_version() {
    let (world, log) = world_on_a_bus().await;
    let ada = world.person("ada").await;
    let update = |expected_version| pb::UpdateUserProfileRequest {
        user_id: "me".to_owned(),
        bio: Some("mathematics".to_owned()),
        expected_version,
        ..Default::default()
    };
    ada.client().update_user_profile(update(1)).await.unwrap();
    ada.client().update_user_profile(update(1)).await.unwrap_err(); // a version that is gone
    let nothing = pb::UpdateUserProfileRequest { user_id: "me".to_owned(), ..Default::default() };
    ada.client().update_user_profile(nothing).await.unwrap();
    let dark = pb::UpdateUserSettingsRequest { dark_mode: Some(true), ..Default::default() };
    ada.settings(dark).await.unwrap();
    ada.settings(pb::UpdateUserSettingsRequest::default()).await.unwrap();
    ada.client().update_user_profile(update(2)).await.unwrap();
    let events = log.take(3).await;
    let names = [(&ada, "ada")];
    let found: Vec<String> = events.iter().map(|event| told(event, &names)).collect();
    assert_eq!(found, ["updated ada 2", "updated ada 2", "updated ada 3"]);
}

#[tokio::test]
async fn while_the_bus_is_away_changes_go_on_and_are_told_of_later() {
    let (world, log) = world_on_a_bus().await;
    log.cut();
    let [ada, bob] = world.people(["ada", "bob"]).await;
    for _ in 0..3 {
        ada.follow(&bob).await.unwrap();
        ada.unfollow(&bob).await.unwrap();
    }
    log.mend();
    let names = [(&ada, "ada"), (&bob, "bob")];
    let found: Vec<String> = log.take(6).await.iter().map(|event| told(event, &names)).collect();
    assert_eq!(found, ["followed ada bob", "unfollowed ada bob"].repeat(3));
}

/// Publishes as the auth service would.
async fn tell(log: &EventLog, world: &World, aggregate: Uuid, payload: &impl Payload) {
    let now = world.clock.now();
    let event = Event::new(EventId::generate(now), now, aggregate, payload);
    log.bus().publish(&[&event]).await.expect("the log answers");
}

#[tokio::test]
async fn a_registration_that_is_told_of_alone_makes_the_profile() {
    let (world, log) = world_on_a_bus().await;
    let ada = world.person("ada").await;
    let grace = Person { id: world.new_id(), ..ada.clone() };
    // There is no such account that could be asked for: it is the event that makes the profile.
    let registered = UserRegistered {
        user_id: grace.id.to_string(),
        username: "grace".to_owned(),
        display_name: Some("Grace Hopper".to_owned()),
    };
    tell(&log, &world, grace.id.uuid(), &registered).await;
    let made = eventually("the profile is there", SOON, async || ada.profile(&grace).await.ok()).await;
    assert_eq!((made.username.as_str(), made.display_name.as_str()), ("grace", "Grace Hopper"));

    // The call that comes after it changes nothing.
    let request = pb::EnsureProfileRequest {
        user_id: grace.id.to_string(),
        username: "grace".to_owned(),
        display_name: "Grace Hopper".to_owned(),
        created_at: made.created_at.clone(),
    };
    assert!(!world.service().ensure_profile(request).await.unwrap().into_inner().created);
    assert_eq!(ada.profile(&grace).await.unwrap(), made);
    assert_eq!(made.version, 1);
}

#[tokio::test]
async fn a_deletion_that_is_told_of_alone_ends_the_profile_and_its_follows() {
    let (world, log) = world_on_a_bus().await;
    let [ada, bob] = world.people(["ada", "bob"]).await;
    ada.follow(&bob).await.unwrap();
    bob.follow(&ada).await.unwrap();
    tell(&log, &world, bob.id.uuid(), &UserDeleted { user_id: bob.id.to_string() }).await;
    eventually("the follows have ended", SOON, async || (ada.counts().await == (0, 0)).then_some(())).await;
    ada.profile(&bob).await.unwrap_err();
    world.assert_consistent().await;

    // An old registration that is delivered after it brings nobody back.
    let registered = UserRegistered { user_id: bob.id.to_string(), username: "bob".to_owned(), display_name: None };
    tell(&log, &world, bob.id.uuid(), &registered).await;
    let grace = Person { id: world.new_id(), ..ada.clone() };
    let after = UserRegistered { user_id: grace.id.to_string(), username: "grace".to_owned(), display_name: None };
    tell(&log, &world, grace.id.uuid(), &after).await;
    eventually("what came after it is done", SOON, async || ada.profile(&grace).await.ok()).await;
    ada.profile(&bob).await.unwrap_err();
}
