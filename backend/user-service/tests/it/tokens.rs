//! Page tokens that somebody made by hand: they say anything at all for the right call, and are served or refused.

use ids::UserId;
use pg::page::{Binding, Limits, Page};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protos::user::v1 as pb;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Code, Status};
use user_service::storage::search::Hit;
use uuid::Uuid;

use crate::world::{Person, World};

/// A token that binds to the call like one that the service made.
fn forge<K: Serialize + DeserializeOwned + Clone>(binding: Binding, key: &K) -> String {
    let page = Page::<K>::parse(Limits { default: 1, max: 1 }, 1, 0, "", binding).unwrap();
    page.finish(vec![(), ()], |()| key.clone()).1
}

/// Served, or refused for the token.
fn check<T>(answer: Result<T, Status>, key: &dyn std::fmt::Debug) -> Result<bool, TestCaseError> {
    let Err(status) = answer else { return Ok(true) };
    let reason = errors::ErrorDetailsOf::reason(&status);
    prop_assert_eq!(
        (status.code(), reason.as_deref()),
        (Code::InvalidArgument, Some("PAGE_TOKEN_INVALID")),
        "{:?}",
        key
    );
    Ok(false)
}

async fn list_all(owner: &Person, key: &(i64, Uuid)) -> Result<Vec<bool>, TestCaseError> {
    let (user_id, limit) = (owner.id.to_string(), 1);
    let token = |call: &'static str, of: UserId| forge(Binding::new(call).arg(of), key);

    let page_token = token("GetUserFollowers", owner.id);
    let request = pb::GetUserFollowersRequest { user_id: user_id.clone(), limit, page_token, offset: 0 };
    let followers = check(owner.client().get_user_followers(request).await, key)?;
    let page_token = token("GetUserFollowing", owner.id);
    let request = pb::GetUserFollowingRequest { user_id: user_id.clone(), limit, page_token, offset: 0 };
    let following = check(owner.client().get_user_following(request).await, key)?;
    let page_token = token("ListFollowRequests", owner.id);
    let request = pb::ListFollowRequestsRequest { user_id: user_id.clone(), limit, page_token };
    let requests = check(owner.client().list_follow_requests(request).await, key)?;
    let page_token = token("ListBlockedUsers", owner.id);
    let request = pb::ListBlockedUsersRequest { user_id, limit, page_token };
    let blocked = check(owner.client().list_blocked_users(request).await, key)?;
    Ok(vec![followers, following, requests, blocked])
}

async fn search(me: &Person, query: &str, hit: &Hit) -> Result<bool, TestCaseError> {
    let page_token = forge(Binding::new("SearchUsers").arg(query), hit);
    let request = pb::SearchUsersRequest { query: query.to_owned(), limit: 1, offset: 0, page_token };
    check(me.client().search_users(request).await, hit)
}

fn number() -> impl Strategy<Value = i64> {
    // Also where a microsecond stands for the last times that PostgreSQL, and that chrono, can tell.
    let edges = [0, -1, 1, i64::MIN, i64::MAX, 9_223_371_331_200_000_000, -210_866_803_200_000_000];
    prop_oneof![prop::sample::select(edges.to_vec()), any::<i64>(), 0..2_000_000_000_000_000_i64]
}

fn id() -> impl Strategy<Value = Uuid> {
    prop_oneof![Just(Uuid::nil()), Just(Uuid::max()), any::<u128>().prop_map(Uuid::from_u128)]
}

fn hit() -> impl Strategy<Value = Hit> {
    let tier = prop_oneof![-1..=3, Just(i32::MIN), Just(i32::MAX)];
    let similarity = prop_oneof![0.0..=1.0_f32, any::<f32>(), Just(f32::MAX), Just(-0.0_f32)];
    (tier, similarity, number(), id()).prop_map(|(tier, similarity, followers, id)| Hit {
        tier,
        similarity,
        followers,
        id,
    })
}

#[test]
fn no_token_breaks_a_call() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::start());
    let [ann, bob] = runtime.block_on(world.people(["ann", "bob"]));
    runtime.block_on(ann.follow(&bob)).unwrap();
    let config = || Config { cases: 96, failure_persistence: None, ..Config::default() };
    let keys = (number(), id());
    TestRunner::new(config()).run(&keys, |key| runtime.block_on(list_all(&bob, &key)).map(drop)).unwrap();
    let hits = (hit(), prop::sample::select(vec!["a", "ann"]));
    TestRunner::new(config()).run(&hits, |(hit, query)| runtime.block_on(search(&ann, query, &hit)).map(drop)).unwrap();
}

#[tokio::test]
async fn what_no_page_can_end_with_is_refused() {
    let world = World::start().await;
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let good = Hit { tier: 2, similarity: 0.5, followers: 0, id: bob.id.uuid() };
    assert!(search(&ann, "ann", &good).await.unwrap(), "a forged token that is like a real one is as good");
    for bad in [
        Hit { tier: 3, ..good },
        Hit { tier: -1, ..good },
        Hit { similarity: 1.5, ..good },
        Hit { similarity: -0.5, ..good },
        Hit { similarity: f32::NAN, ..good },
        Hit { followers: -1, ..good },
        Hit { followers: i64::MIN, ..good },
    ] {
        assert!(!search(&ann, "ann", &bad).await.unwrap(), "{bad:?}");
    }
    let now = world.clock.now().timestamp_micros();
    assert_eq!(list_all(&ann, &(now, Uuid::max())).await.unwrap(), [true; 4]);
    for micros in [i64::MIN, -1, 0, 253_402_300_800_000_000, i64::MAX] {
        assert_eq!(list_all(&ann, &(micros, Uuid::max())).await.unwrap(), [false; 4], "{micros}");
    }
}
