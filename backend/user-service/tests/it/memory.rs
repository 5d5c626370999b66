//! What is remembered: seen at once where it was changed, within a second elsewhere, and at once by who changed it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use protos::user::v1 as pb;
use testkit::{ChaosProxy, TestDatabase, TestRedis, assert_reason, eventually};
use tonic::{Code, Status};

use crate::history::PROMISED;
use crate::world::{Person, World};

const SOON: Duration = Duration::from_secs(20);

async fn set_bio(person: &Person, bio: &str) {
    let change = pb::UpdateUserProfileRequest {
        user_id: "me".to_owned(),
        bio: Some(bio.to_owned()),
        ..pb::UpdateUserProfileRequest::default()
    };
    person.client().update_user_profile(change).await.expect("own profile");
}

async fn bio(reader: &Person, of: &Person) -> String {
    reader.profile(of).await.expect("it shows itself").bio
}

/// Everybody whom the reader finds among these by their ids.
async fn among(reader: &Person, users: &[&Person]) -> usize {
    let user_ids = users.iter().map(|user| user.id.to_string()).collect();
    let answer = reader.client().get_user_profiles_by_ids(pb::GetUserProfilesByIdsRequest { user_ids }).await;
    answer.expect("a good batch").into_inner().profiles.len()
}

fn is_hidden<T>(answer: Result<T, Status>) -> bool {
    match answer {
        Ok(_) => false,
        Err(status) => {
            assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
            true
        }
    }
}

/// A memory that nothing but being told empties within the test.
fn believed_for_ever(config: &mut user_service::Config) {
    config.cache.max_age = Duration::from_secs(3600);
}

#[tokio::test]
async fn a_change_is_seen_at_once_by_everybody_here() {
    let world = World::start_with(|config, _| believed_for_ever(config)).await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    for round in ["one", "two"] {
        set_bio(&alice, round).await;
        assert_eq!((bio(&bob, &alice).await, bio(&carol, &alice).await), (round.to_owned(), round.to_owned()));
    }
    let counts = async |of: &Person| {
        let profile = carol.profile(of).await.unwrap();
        (profile.follower_count, profile.following_count)
    };
    assert_eq!((counts(&alice).await, counts(&bob).await), ((0, 0), (0, 0)));
    bob.follow(&alice).await.unwrap();
    assert_eq!((counts(&alice).await, counts(&bob).await), ((1, 0), (0, 1)));
    bob.unfollow(&alice).await.unwrap();
    assert_eq!((counts(&alice).await, counts(&bob).await), ((0, 0), (0, 0)));
    alice.set_private(true).await;
    bob.follow(&alice).await.unwrap();
    assert_eq!((counts(&alice).await, counts(&bob).await), ((0, 0), (0, 0)), "a request counts nowhere");
    alice.respond(&bob, true).await.unwrap();
    assert_eq!((counts(&alice).await, counts(&bob).await), ((1, 0), (0, 1)));
    bob.block(&alice).await.unwrap();
    assert_eq!((counts(&alice).await, counts(&bob).await), ((0, 0), (0, 0)));
    carol.follow(&bob).await.unwrap();
    assert_eq!(counts(&bob).await, (1, 0));
    let delete =
        pb::DeleteProfileRequest { user_id: bob.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    let dave = world.person("dave").await;
    assert_eq!(dave.profile(&carol).await.unwrap().following_count, 1);
    world.service().delete_profile(delete).await.unwrap();
    assert!(is_hidden(carol.profile(&bob).await), "deleted");
    assert_eq!(among(&carol, &[&alice, &bob]).await, 1);
    assert_eq!(dave.profile(&carol).await.unwrap().following_count, 0, "the account's follows ended with it");
}

#[tokio::test]
async fn a_block_hides_at_once_here_and_within_a_second_there() {
    let world = World::start().await;
    let replica = world.replica().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    alice.follow(&carol).await.unwrap();
    let there = replica.person(&world, &bob);
    for reader in [&bob, &there] {
        assert_eq!((is_hidden(reader.profile(&alice).await), among(reader, &[&alice, &carol]).await), (false, 2));
        assert_eq!(reader.followers(&carol).await.unwrap(), ["alice"]);
    }
    alice.block(&bob).await.unwrap();
    let blocked_at = Instant::now();
    assert_eq!((is_hidden(bob.profile(&alice).await), among(&bob, &[&alice, &carol]).await), (true, 1));
    assert!(bob.followers(&carol).await.unwrap().is_empty());
    let hides_there = async || {
        let begun = Instant::now();
        let hides = is_hidden(there.profile(&alice).await) && among(&there, &[&alice, &carol]).await == 1;
        assert!(hides || begun < blocked_at + PROMISED, "shown to who was blocked for {:?}", begun - blocked_at);
        hides.then_some(())
    };
    eventually("the block is known to the other replica", SOON, hides_there).await;
    for _ in 0..20 {
        assert!(is_hidden(there.profile(&alice).await) && is_hidden(bob.profile(&alice).await), "and stays so");
    }
    assert!(!is_hidden(alice.profile(&bob).await), "who blocks still sees whom");

    // A refusal always comes from the database, so that taking a block back is seen everywhere at once.
    alice.unblock(&bob).await.unwrap();
    assert!(!is_hidden(there.profile(&alice).await) && !is_hidden(bob.profile(&alice).await));
}

#[tokio::test]
async fn whom_very_many_have_blocked_sees_the_others() {
    let world = World::start_with(|config, _| believed_for_ever(config)).await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    let mut blockers = vec![];
    for n in 0..=user_service::model::Hiders::MOST {
        let blocker = world.person(&format!("blocker{n}")).await;
        blocker.block(&bob).await.unwrap();
        blockers.push(blocker);
    }
    assert!(is_hidden(bob.profile(&blockers[0]).await) && is_hidden(bob.profile(&blockers[200]).await));
    assert_eq!((is_hidden(bob.profile(&alice).await), among(&bob, &[&alice, &blockers[7]]).await), (false, 1));
    set_bio(&alice, "hello").await;
    assert_eq!(bio(&bob, &alice).await, "hello");
}

#[tokio::test]
async fn ones_own_and_what_services_ask_for_are_never_out_of_date() {
    let world = World::start_with(|config, _| believed_for_ever(config)).await;
    let replica = world.replica().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    let [alice_there, bob_there] = [&alice, &bob].map(|person| replica.person(&world, person));
    let service = replica.client(&world.tokens.service("messaging"));
    for round in ["one", "two"] {
        set_bio(&alice, round).await;
        assert_eq!(bio(&alice_there, &alice).await, round);
        let asked = service.clone().get_user_profile(pb::GetUserProfileRequest { user_id: alice.id.to_string() }).await;
        assert_eq!(asked.unwrap().into_inner().profile.unwrap().bio, round);
        // Somebody else's look fills the memory there, and must change nothing for these.
        assert_eq!(bio(&bob_there, &alice).await, "one");

        let dark_mode = Some(round == "one");
        alice.settings(pb::UpdateUserSettingsRequest { dark_mode, ..Default::default() }).await.unwrap();
        let request = pb::GetUserSettingsRequest { user_id: "me".to_owned() };
        let settings = alice_there.client().get_user_settings(request).await.unwrap().into_inner().settings.unwrap();
        assert_eq!(settings.dark_mode, round == "one");
    }
    bob.follow(&alice).await.unwrap();
    assert_eq!((alice_there.counts().await, bob_there.counts().await), ((1, 0), (0, 1)));
}

#[tokio::test]
async fn other_replicas_are_told_over_redis() {
    let redis = TestRedis::start().await;
    let url = redis.url();
    let world = World::start_with(|config, _| {
        believed_for_ever(config);
        config.redis.url = url.as_str().into();
    })
    .await;
    let replica = world.replica().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    let there = replica.person(&world, &bob);
    // Until both are connected nobody is told, and this memory would be believed for ever: change until it is seen.
    let rounds = AtomicUsize::new(0);
    eventually("the change is told", SOON, async || {
        let round = rounds.fetch_add(1, Ordering::Relaxed);
        set_bio(&alice, &round.to_string()).await;
        (bio(&there, &alice).await == round.to_string() && round > 0).then_some(())
    })
    .await;
    set_bio(&alice, "told").await;
    eventually("the last change is told", SOON, async || (bio(&there, &alice).await == "told").then_some(())).await;
    alice.block(&bob).await.unwrap();
    eventually("the block is told", SOON, async || is_hidden(there.profile(&alice).await).then_some(())).await;
}

#[tokio::test]
async fn a_profile_that_was_just_made_was_never_absent() {
    let world = World::start_with(|config, _| believed_for_ever(config)).await;
    let replica = world.replica().await;
    let bob = world.person("bob").await;
    let there = replica.person(&world, &bob);
    let new = Person { id: world.new_id(), client: bob.client() };
    for reader in [&bob, &there] {
        assert!(is_hidden(reader.profile(&new).await));
        assert_eq!(among(reader, &[&new, &bob]).await, 1);
    }
    let request = pb::EnsureProfileRequest {
        user_id: new.id.to_string(),
        username: "new".to_owned(),
        display_name: String::new(),
        created_at: "2026-06-01T12:00:00Z".to_owned(),
    };
    assert!(world.service().ensure_profile(request).await.unwrap().into_inner().created);
    for reader in [&bob, &there] {
        assert_eq!(
            (reader.profile(&new).await.unwrap().username, among(reader, &[&new, &bob]).await),
            ("new".to_owned(), 2)
        );
    }
}

#[tokio::test]
async fn an_error_is_not_remembered_and_what_is_remembered_needs_no_database() {
    let database = TestDatabase::new(&user_service::MIGRATOR).await;
    let (proxy, url) = ChaosProxy::before_postgres(&database.url).await;
    let world = World::start_with(|config, _| {
        believed_for_ever(config);
        config.database.url = url.as_str().into();
    })
    .await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    bob.profile(&alice).await.unwrap();
    proxy.cut();
    let lost = async || match bob.profile(&carol).await {
        Ok(_) => panic!("nobody has read it before"),
        Err(status) => assert_reason(&status, Code::Unavailable, "UNAVAILABLE"),
    };
    lost().await;
    lost().await;
    assert_eq!(bob.profile(&alice).await.unwrap().username, "alice");
    proxy.mend();
    eventually("it answers again", SOON, async || bob.profile(&carol).await.ok()).await;
}

#[tokio::test]
async fn what_is_remembered_is_counted() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    for _ in 0..10 {
        bob.profile(&alice).await.unwrap();
    }
    let metrics = chassis::telemetry::metrics().render();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is missing"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    for cache in ["profiles", "hiders"] {
        let of = |name: &str| value(&format!("nova_cache_{name}{{cache=\"{cache}\"}}"));
        assert!(of("hits_total") > 0.0 && of("misses_total") > 0.0 && of("served_age_seconds_count") > 0.0);
        assert!(of("joined_total") + of("fills_refused_total") >= 0.0);
    }
}
