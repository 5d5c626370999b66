//! Many at once: what must hold whoever comes first.

use std::time::Duration;

use protos::user::v1 as pb;
use protos::user::v1::relationship::Kind;
use testkit::assert_reason;
use tonic::Code;
use user_service::model::{Follow, FollowStatus, Pair};
use user_service::storage::follows::{self, Presence};
use user_service::storage::{counts, locks};

use crate::world::{Person, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_follow_one_at_once() {
    let world = World::start().await;
    let star = world.person("star").await;
    let mut fans = vec![];
    for n in 0..200 {
        fans.push(world.person(&format!("fan{n}")).await);
    }
    let calls: Vec<_> = fans
        .iter()
        .cloned()
        .map(|fan| {
            let star = star.clone();
            tokio::spawn(async move { fan.follow(&star).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), Kind::Following);
    }
    assert_eq!(star.counts().await, (200, 0));
    let calls: Vec<_> = fans
        .iter()
        .cloned()
        .enumerate()
        .map(|(n, fan)| {
            let star = star.clone();
            tokio::spawn(async move {
                if n % 2 == 0 { fan.unfollow(&star).await.map(drop) } else { fan.follow(&star).await.map(drop) }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(star.counts().await, (100, 0));
    world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_and_blocks_of_the_same_two_take_turns() {
    let world = World::start().await;
    for round in 0..12 {
        let [a, b] = [world.person(&format!("a{round}")).await, world.person(&format!("b{round}")).await];
        let mut calls = vec![];
        for n in 0..8 {
            let (a, b) = (a.clone(), b.clone());
            calls.push(tokio::spawn(async move {
                match n {
                    0 => a.block(&b).await,
                    1 => b.block(&a).await,
                    2 | 3 => a.unfollow(&b).await.map(drop),
                    4 | 5 => a.follow(&b).await.map(drop),
                    _ => b.follow(&a).await.map(drop),
                }
            }));
        }
        for call in calls {
            if let Err(status) = call.await.unwrap() {
                assert_reason(&status, Code::FailedPrecondition, "USER_BLOCKED");
            }
        }
        assert_eq!((a.counts().await, b.counts().await), ((0, 0), (0, 0)), "after both blocks nothing is left");
        world.assert_consistent().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_with_everybody_at_once() {
    let world = World::start().await;
    let people = world.people(["p0", "p1", "p2", "p3", "p4", "p5"]).await;
    people[5].set_private(true).await;
    let mut calls = vec![];
    for round in 0..6_usize {
        for (i, a) in people.iter().enumerate() {
            for (j, b) in people.iter().enumerate().filter(|(j, _)| *j != i) {
                let (a, b) = (a.clone(), b.clone());
                calls.push(tokio::spawn(async move {
                    match (i * 7 + j * 3 + round * 5) % 11 {
                        0 => a.block(&b).await,
                        1 => a.unblock(&b).await,
                        2 | 3 => a.unfollow(&b).await.map(drop),
                        4 => a.respond(&b, j % 2 == 0).await.map(drop),
                        _ => a.follow(&b).await.map(drop),
                    }
                }));
            }
        }
    }
    for call in calls {
        if let Err(status) = call.await.unwrap() {
            let reason = errors::ErrorDetailsOf::reason(&status).unwrap();
            assert!(["USER_BLOCKED", "FOLLOW_REQUEST_NOT_FOUND"].contains(&reason.as_str()), "{status:?}");
        }
    }
    world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_may_end_while_it_is_followed() {
    let world = World::start().await;
    let [leaver, friend] = world.people(["leaver", "friend"]).await;
    let mut calls = vec![];
    for n in 0..40 {
        let fan = world.person(&format!("fan{n}")).await;
        let leaver = leaver.clone();
        if n % 2 == 0 {
            fan.follow(&leaver).await.unwrap();
            leaver.follow(&fan).await.unwrap();
        }
        calls.push((fan, leaver));
    }
    let calls: Vec<_> = calls
        .into_iter()
        .map(|(fan, leaver)| {
            tokio::spawn(async move {
                fan.follow(&leaver).await.map(drop)?;
                fan.unfollow(&leaver).await.map(drop)?;
                leaver.follow(&fan).await.map(drop)
            })
        })
        .collect();
    let delete =
        pb::DeleteProfileRequest { user_id: leaver.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    let mut deletions = vec![];
    for _ in 0..2 {
        let (mut service, delete) = (world.service(), delete.clone());
        deletions.push(tokio::spawn(async move { service.delete_profile(delete).await }));
    }
    for deletion in deletions {
        deletion.await.unwrap().unwrap();
    }
    for call in calls {
        if let Err(status) = call.await.unwrap() {
            assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
        }
    }
    let mut connection = world.database.connect().await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM follows WHERE $1 IN (follower_id, followee_id)")
        .bind(leaver.id.uuid())
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 0);
    world.assert_consistent().await;
    assert!(friend.profile(&friend).await.is_ok());
}

async fn update(person: Person, location: String, expected_version: i64) -> Result<(), tonic::Status> {
    let request = pb::UpdateUserProfileRequest {
        user_id: person.id.to_string(),
        location: Some(location),
        expected_version,
        ..Default::default()
    };
    person.client().update_user_profile(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_updates_for_one_version_exactly_one_wins() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    for version in 1..=4 {
        let calls: Vec<_> =
            (0..16).map(|n| tokio::spawn(update(alice.clone(), format!("place {n}"), version))).collect();
        let mut won = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(()) => won += 1,
                Err(status) => assert_reason(&status, Code::Aborted, "VERSION_CONFLICT"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(alice.profile(&alice).await.unwrap().version, version + 1);
    }
    // Settings, whose first version has no row to compare with.
    for version in 1..=3 {
        let calls: Vec<_> = (0..16)
            .map(|n| {
                let alice = alice.clone();
                let change = pb::UpdateUserSettingsRequest {
                    dark_mode: Some(n % 2 == 0),
                    expected_version: version,
                    ..Default::default()
                };
                tokio::spawn(async move { alice.settings(change).await })
            })
            .collect();
        let mut won = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(settings) => {
                    assert_eq!(settings.version, version + 1);
                    won += 1;
                }
                Err(status) => assert_reason(&status, Code::Aborted, "VERSION_CONFLICT"),
            }
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drifted_counts_are_found_and_repaired_while_people_follow() {
    let world = World::start().await;
    let star = world.person("star").await;
    let mut fans = vec![];
    for n in 0..24 {
        let fan = world.person(&format!("fan{n}")).await;
        if n < 12 {
            fan.follow(&star).await.unwrap();
        }
        fans.push(fan);
    }
    let mut connection = world.database.connect().await;
    sqlx::raw_sql(
        "UPDATE follow_counts SET followers = followers + 3, following = 7; DELETE FROM follow_counts WHERE shard = 1",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let pool = world.pool();
    let found = user_service::admin::reconcile(&pool, false).await.unwrap();
    assert!(!found.drifts.is_empty() && found.repaired == 0);
    let calls: Vec<_> = fans[12..]
        .iter()
        .cloned()
        .map(|fan| {
            let star = star.clone();
            tokio::spawn(async move { fan.follow(&star).await })
        })
        .collect();
    let repaired = user_service::admin::reconcile(&pool, true).await.unwrap();
    assert_eq!(repaired.repaired, repaired.drifts.len());
    for call in calls {
        call.await.unwrap().unwrap();
    }
    world.assert_consistent().await;
    assert_eq!(star.counts().await, (24, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_waits_for_a_follow_that_has_begun() {
    let world = World::start().await;
    let [leaver, fan] = world.people(["leaver", "fan"]).await;
    let pair = Pair::new(fan.id, leaver.id).unwrap();
    // A follow that has looked and not yet written.
    let mut tx = world.pool().begin().await.unwrap();
    locks::lock_pair(&mut tx, pair).await.unwrap();
    assert_eq!(follows::pair_state(&mut tx, pair).await.unwrap().second, Presence::Live);

    let delete =
        pb::DeleteProfileRequest { user_id: leaver.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    let mut service = world.service();
    let deletion = tokio::spawn(async move { service.delete_profile(delete).await });
    testkit::eventually("the deletion waits", Duration::from_secs(5), async || {
        let mut connection = world.database.connect().await;
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut connection).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;

    let follow = Follow { follower: fan.id, followee: leaver.id, status: FollowStatus::Active };
    assert!(follows::insert(&mut tx, follow, world.clock.now()).await.unwrap());
    counts::change(&mut tx, &[follow], 1).await.unwrap();
    tx.commit().await.unwrap();
    assert!(deletion.await.unwrap().unwrap().into_inner().deleted);
    assert_eq!(fan.counts().await, (0, 0), "the deletion ended the follow that it waited for");
    world.assert_consistent().await;
}
