//! Profiles: reading, lazily made ones, e-mails, batches, updates.

use std::collections::BTreeSet;

use errors::ErrorDetailsOf;
use protos::user::v1 as pb;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Client, Person, World};

async fn batch(mut client: Client, ids: impl IntoIterator<Item = String>) -> Result<BTreeSet<String>, tonic::Status> {
    let request = pb::GetUserProfilesByIdsRequest { user_ids: ids.into_iter().collect() };
    let profiles = client.get_user_profiles_by_ids(request).await?.into_inner().profiles;
    assert!(profiles.iter().all(|(id, profile)| *id == profile.id));
    Ok(profiles.into_values().map(|profile| profile.username).collect())
}

async fn update(person: &Person, change: pb::UpdateUserProfileRequest) -> Result<pb::UserProfile, tonic::Status> {
    let request = pb::UpdateUserProfileRequest { user_id: person.id.to_string(), ..change };
    Ok(person.client().update_user_profile(request).await?.into_inner().profile.expect("an answer has a profile"))
}

fn set(change: impl FnOnce(&mut pb::UpdateUserProfileRequest)) -> pb::UpdateUserProfileRequest {
    let mut request = pb::UpdateUserProfileRequest::default();
    change(&mut request);
    request
}

#[tokio::test]
async fn a_new_profile_has_what_register_said() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    let profile = bob.profile(&alice).await.unwrap();
    assert_eq!((profile.id.as_str(), profile.username.as_str()), (alice.id.to_string().as_str(), "alice"));
    assert_eq!((profile.display_name.as_str(), profile.bio.as_str(), profile.version), ("alice", "", 1));
    assert_eq!((profile.avatar_url, profile.cover_url, profile.deleted_at), (None, None, None));
    assert_eq!((profile.follower_count, profile.following_count), (0, 0));
    assert!(profile.created_at.starts_with("2026-06-01T12:00:00.") && profile.created_at.ends_with('Z'));
    let me = alice.client().get_user_profile(pb::GetUserProfileRequest { user_id: "me".to_owned() }).await.unwrap();
    assert_eq!(me.into_inner().profile.unwrap().username, "alice");
}

#[tokio::test]
async fn a_profile_that_was_not_announced_is_made_when_asked_for() {
    let world = World::start().await;
    let (alice, bob) = (world.account("alice"), world.account("bob"));
    assert_eq!(bob.profile(&alice).await.unwrap().display_name, "alice");
    let lookups = world.peers.lookups();
    bob.profile(&alice).await.unwrap();
    assert_eq!(world.peers.lookups(), lookups, "made once, then it is here");
    assert_eq!(bob.follow(&alice).await.unwrap() as i32, 2, "the follower's own profile is made too");

    let stranger = Person { id: world.new_id(), client: bob.client() };
    assert_reason(&bob.profile(&stranger).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    let lookups = world.peers.lookups();
    assert_reason(&bob.profile(&stranger).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_eq!(world.peers.lookups(), lookups, "made-up ids do not reach the auth service each time");

    world.peers.set_auth_down(true);
    let unknowable = Person { id: world.new_id(), client: bob.client() };
    assert_reason(&bob.profile(&unknowable).await.unwrap_err(), Code::Unavailable, "UNAVAILABLE");
    assert!(bob.profile(&alice).await.is_ok(), "what is here needs no auth service");
}

async fn announce(world: &World, person: &Person, username: &str, display_name: &str) -> bool {
    let request = pb::EnsureProfileRequest {
        user_id: person.id.to_string(),
        username: username.to_owned(),
        display_name: display_name.to_owned(),
        created_at: "2026-06-01T12:00:00Z".to_owned(),
    };
    world.service().ensure_profile(request).await.unwrap().into_inner().created
}

#[tokio::test]
async fn the_name_given_to_register_arrives_however_late() {
    let world = World::start().await;
    // Register could not reach us; somebody looks; the announcement comes again.
    let (alice, bob, carol) = (world.account("alice"), world.account("bob"), world.account("carol"));
    assert_eq!(alice.profile(&alice).await.unwrap().display_name, "alice");
    world.hands.advance(std::time::Duration::from_secs(5));
    assert!(!announce(&world, &alice, "alice", "Ann Lee").await, "it was there");
    let named = alice.profile(&alice).await.unwrap();
    assert_eq!((named.display_name.as_str(), named.version), ("Ann Lee", 2));
    assert!(named.updated_at > named.created_at);
    assert_eq!(bob.search("ann lee").await, ["alice"]);
    for repeated in ["Ann Lee", "Somebody Else"] {
        assert!(!announce(&world, &alice, "alice", repeated).await);
        assert_eq!(alice.profile(&alice).await.unwrap(), named, "once");
    }

    // Another change meanwhile does not lose the name, and is not lost.
    assert_eq!(update(&bob, set(|r| r.bio = Some("hello".to_owned()))).await.unwrap().version, 2);
    assert!(!announce(&world, &bob, "bob", "Bob the First").await);
    let named = bob.profile(&bob).await.unwrap();
    assert_eq!((named.display_name.as_str(), named.bio.as_str(), named.version), ("Bob the First", "hello", 3));

    // What the owner has set is kept, even if it is the user name.
    update(&carol, set(|r| r.display_name = Some("carol".to_owned()))).await.unwrap();
    assert!(!announce(&world, &carol, "carol", "Carol C.").await);
    assert_eq!(carol.profile(&carol).await.unwrap().display_name, "carol");

    // Without a name to bring there is nothing to change.
    let dave = world.account("dave");
    dave.profile(&dave).await.unwrap();
    assert!(!announce(&world, &dave, "dave", "").await);
    let same = dave.profile(&dave).await.unwrap();
    assert_eq!((same.display_name.as_str(), same.version, same.updated_at == same.created_at), ("dave", 1, true));
    assert!(!announce(&world, &dave, "dave", "Too Late").await);
    let erin = world.person("erin").await;
    assert!(!announce(&world, &erin, "erin", "Too Late").await);
    for person in [&dave, &erin] {
        assert_eq!(person.profile(person).await.unwrap().version, 1, "announced already, without a name");
    }
}

#[tokio::test]
async fn an_email_is_shown_to_its_owner_services_and_administrators() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    let as_seen_by = |mut client: Client| {
        let request = pb::GetUserProfileRequest { user_id: alice.id.to_string() };
        async move { client.get_user_profile(request).await.unwrap().into_inner().profile.unwrap().email }
    };
    let email = Some("alice@example.org".to_owned());
    assert_eq!(as_seen_by(alice.client()).await, email);
    assert_eq!(as_seen_by(world.service()).await, email);
    assert_eq!(as_seen_by(world.admin()).await, email);
    assert_eq!(as_seen_by(bob.client()).await, None);

    world.peers.set_auth_down(true);
    assert_eq!(as_seen_by(alice.client()).await, email, "it never changes, so it is remembered");
    assert_eq!(bob.profile(&bob).await.unwrap().email, None, "absent while it can't be known");
}

#[tokio::test]
async fn a_batch_leaves_out_who_is_unknown_deleted_or_has_blocked_the_caller() {
    let world = World::start().await;
    let [alice, bob, carol, dave] = world.people(["alice", "bob", "carol", "dave"]).await;
    let erin = world.account("erin");
    carol.block(&alice).await.unwrap();
    alice.block(&bob).await.unwrap();
    let deleted =
        pb::DeleteProfileRequest { user_id: dave.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    world.service().delete_profile(deleted).await.unwrap();
    let ids = [&alice, &bob, &carol, &dave, &erin, &bob].map(|person| person.id.to_string());
    let with_stranger = || ids.iter().cloned().chain([world.new_id().to_string()]);

    let seen = batch(alice.client(), with_stranger()).await.unwrap();
    assert_eq!(seen, ["alice", "bob", "erin"].map(str::to_owned).into(), "who blocks still sees the blocked");
    let seen = batch(world.service(), with_stranger()).await.unwrap();
    assert_eq!(seen, ["alice", "bob", "carol", "erin"].map(str::to_owned).into(), "services see past blocks");
    world.peers.set_auth_down(true);
    assert_eq!(
        batch(bob.client(), [world.new_id().to_string(), bob.id.to_string()]).await.unwrap(),
        ["bob".to_owned()].into()
    );
}

#[tokio::test]
async fn a_batch_is_bounded_and_every_bad_id_is_named() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let many = |n: usize| std::iter::repeat_n(alice.id.to_string(), n);
    assert_eq!(batch(alice.client(), many(100)).await.unwrap().len(), 1);
    for ids in [many(101).collect::<Vec<_>>(), vec![]] {
        let status = batch(alice.client(), ids).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
        assert_eq!(status.violated_fields(), ["user_ids"]);
    }
    let status = batch(alice.client(), ["x".to_owned(), alice.id.to_string(), String::new()]).await.unwrap_err();
    assert_eq!(status.violated_fields(), ["user_ids[0]", "user_ids[2]"]);
}

#[tokio::test]
async fn an_update_changes_what_is_set_and_nothing_else() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    world.hands.advance(std::time::Duration::from_secs(60));
    let all = set(|r| {
        r.display_name = Some("Ann \u{1F600}".to_owned());
        r.bio = Some("one\ntwo".to_owned());
        r.avatar_url = Some("https://example.org/a.png".to_owned());
        r.cover_url = Some("http://example.org/c.png".to_owned());
        r.website = Some("https://example.org".to_owned());
        r.location = Some("Graz".to_owned());
        r.private = Some(true);
    });
    let full = update(&alice, all).await.unwrap();
    assert_eq!(
        (full.display_name.as_str(), full.bio.as_str(), full.location.as_str()),
        ("Ann \u{1F600}", "one\ntwo", "Graz")
    );
    assert_eq!((full.avatar_url.as_deref(), full.private, full.version), (Some("https://example.org/a.png"), true, 2));
    assert!(full.updated_at > full.created_at);

    let cleared = update(
        &alice,
        set(|r| (r.bio, r.avatar_url, r.private) = (Some(String::new()), Some(String::new()), Some(false))),
    );
    let cleared = cleared.await.unwrap();
    assert_eq!((cleared.bio.as_str(), cleared.avatar_url, cleared.private, cleared.version), ("", None, false, 3));
    assert_eq!((cleared.location, cleared.cover_url), (full.location, full.cover_url));

    let same = update(&alice, set(|_| {})).await.unwrap();
    assert_eq!((same.version, same.updated_at), (3, cleared.updated_at), "nothing set, nothing changed");
    assert_eq!(alice.profile(&alice).await.unwrap().version, 3);
}

#[tokio::test]
async fn an_update_for_another_version_changes_nothing() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let at = |version| set(move |r| (r.location, r.expected_version) = (Some("Graz".to_owned()), version));
    assert_eq!(update(&alice, at(1)).await.unwrap().version, 2);
    let status = update(&alice, at(1)).await.unwrap_err();
    assert_reason(&status, Code::Aborted, "VERSION_CONFLICT");
    assert_eq!(status.reason_metadata("current_version").as_deref(), Some("2"));
    assert_eq!(update(&alice, at(0)).await.unwrap().version, 3, "0 is no check");
    assert_reason(
        &update(&alice, set(|r| r.expected_version = 9)).await.unwrap_err(),
        Code::Aborted,
        "VERSION_CONFLICT",
    );
    let status = update(&alice, at(-1)).await.unwrap_err();
    assert_eq!(status.violated_fields(), ["expected_version"]);
    assert_eq!(alice.profile(&alice).await.unwrap().version, 3);
}

#[tokio::test]
async fn every_field_out_of_bounds_is_named_at_once() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let bad = set(|r| {
        r.display_name = Some(" ".to_owned());
        r.bio = Some("x".repeat(501));
        r.avatar_url = Some("javascript:alert(1)".to_owned());
        r.cover_url = Some("not an address".to_owned());
        r.website = Some("ftp://example.org".to_owned());
        r.location = Some("a\u{0}b".to_owned());
        r.expected_version = -1;
    });
    let status = update(&alice, bad).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    let fields = ["display_name", "bio", "avatar_url", "cover_url", "website", "location", "expected_version"];
    assert_eq!(status.violated_fields(), fields);
    assert_eq!(alice.profile(&alice).await.unwrap().version, 1);
    for bad in ["", "x", "0190b5a45c1e7c3a9f002b6f5e1d4c3a", "00000000-0000-0000-0000-000000000000"] {
        let status =
            alice.client().get_user_profile(pb::GetUserProfileRequest { user_id: bad.to_owned() }).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
        assert_eq!(status.violated_fields(), ["user_id"]);
    }
}

#[tokio::test]
async fn a_deleted_profile_is_gone_for_good() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    alice.follow(&bob).await.unwrap();
    bob.follow(&alice).await.unwrap();
    carol.follow(&alice).await.unwrap();
    alice.block(&carol).await.unwrap();
    let delete =
        pb::DeleteProfileRequest { user_id: alice.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    assert!(world.service().delete_profile(delete.clone()).await.unwrap().into_inner().deleted);
    assert!(!world.service().delete_profile(delete).await.unwrap().into_inner().deleted, "repeated without harm");

    for who in [&alice, &bob, &carol] {
        assert_reason(&who.profile(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    }
    let admin = world.admin().get_user_profile(pb::GetUserProfileRequest { user_id: alice.id.to_string() }).await;
    assert_reason(&admin.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(
        &update(&alice, set(|r| r.private = Some(true))).await.unwrap_err(),
        Code::NotFound,
        "USER_NOT_FOUND",
    );
    assert_reason(&bob.follow(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(&alice.follow(&bob).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(&bob.relationship(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_eq!(bob.counts().await, (0, 0), "follows ended both ways");
    assert_eq!(bob.search("alice").await, [] as [&str; 0]);
    world.assert_consistent().await;

    let late = pb::EnsureProfileRequest {
        user_id: alice.id.to_string(),
        username: "alice".to_owned(),
        display_name: String::new(),
        created_at: "2026-06-01T12:00:00Z".to_owned(),
    };
    assert!(!world.service().ensure_profile(late.clone()).await.unwrap().into_inner().created);
    assert_reason(&bob.profile(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");

    let never_seen = world.account("ghost");
    let delete =
        pb::DeleteProfileRequest { user_id: never_seen.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    assert!(world.service().delete_profile(delete).await.unwrap().into_inner().deleted);
    let late = pb::EnsureProfileRequest { user_id: never_seen.id.to_string(), username: "ghost".to_owned(), ..late };
    assert!(
        !world.service().ensure_profile(late).await.unwrap().into_inner().created,
        "the deletion overtook the making"
    );
    assert_reason(&bob.profile(&never_seen).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
}
