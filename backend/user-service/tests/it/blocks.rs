//! Blocks: what they end, whom they hide from whom, and who is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use protos::user::v1 as pb;
use protos::user::v1::relationship::Kind;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World, names, relationship};

async fn blocked(person: &Person) -> Vec<String> {
    let request = pb::ListBlockedUsersRequest { user_id: "me".to_owned(), ..Default::default() };
    names(person.client().list_blocked_users(request).await.unwrap().into_inner().profiles)
}

#[tokio::test]
async fn a_block_ends_follows_and_requests_both_ways() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    alice.follow(&bob).await.unwrap();
    bob.follow(&alice).await.unwrap();
    alice.block(&bob).await.unwrap();
    alice.block(&bob).await.unwrap();
    assert_eq!((alice.counts().await, bob.counts().await), ((0, 0), (0, 0)));
    assert_reason(&alice.follow(&bob).await.unwrap_err(), Code::FailedPrecondition, "USER_BLOCKED");
    assert_reason(&bob.follow(&alice).await.unwrap_err(), Code::FailedPrecondition, "USER_BLOCKED");
    assert_eq!(alice.unfollow(&bob).await.unwrap(), Kind::Blocked);
    assert_eq!(bob.unfollow(&alice).await.unwrap(), Kind::None);
    world.assert_consistent().await;

    alice.unblock(&bob).await.unwrap();
    alice.unblock(&bob).await.unwrap();
    assert_eq!(bob.relationship(&alice).await.unwrap(), Kind::None, "unblocking restores no follow");
    assert_eq!(bob.follow(&alice).await.unwrap(), Kind::Following);

    alice.unfollow(&bob).await.unwrap();
    bob.set_private(true).await;
    assert_eq!(alice.follow(&bob).await.unwrap(), Kind::Pending);
    bob.block(&alice).await.unwrap();
    bob.unblock(&alice).await.unwrap();
    assert_eq!(alice.relationship(&bob).await.unwrap(), Kind::None, "the request is gone too");
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_block_shows_to_who_made_it_and_to_services() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    alice.block(&bob).await.unwrap();
    assert_eq!(alice.relationship(&bob).await.unwrap(), Kind::Blocked);
    assert_eq!(bob.relationship(&alice).await.unwrap(), Kind::None);
    assert_eq!(
        relationship(bob.client(), alice.id, bob.id).await.unwrap(),
        Kind::None,
        "asking the other way round tells no more"
    );
    assert_eq!(relationship(alice.client(), bob.id, alice.id).await.unwrap(), Kind::None);
    for client in [world.service(), world.admin()] {
        assert_eq!(relationship(client.clone(), alice.id, bob.id).await.unwrap(), Kind::Blocked);
        assert_eq!(relationship(client, bob.id, alice.id).await.unwrap(), Kind::Blocked);
    }
}

#[tokio::test]
async fn a_block_hides_the_blockers_profile_and_each_from_the_others_lists() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    for follower in [&alice, &bob] {
        follower.follow(&carol).await.unwrap();
        carol.follow(follower).await.unwrap();
    }
    alice.block(&bob).await.unwrap();

    assert_reason(&bob.profile(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(&bob.followers(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(&bob.following(&alice).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_eq!(alice.profile(&bob).await.unwrap().username, "bob", "who blocks still sees the blocked");
    assert_eq!(
        (alice.followers(&carol).await.unwrap(), alice.following(&carol).await.unwrap()),
        (vec!["alice".into()], vec!["alice".into()])
    );
    assert_eq!(
        (bob.followers(&carol).await.unwrap(), bob.following(&carol).await.unwrap()),
        (vec!["bob".into()], vec!["bob".into()])
    );
    assert_eq!(carol.followers(&carol).await.unwrap().len(), 2);
    assert_eq!((alice.search("bob").await.len(), bob.search("alice").await.len()), (0, 0));
    assert_eq!(carol.search("alice").await, ["alice"]);
    assert_eq!((blocked(&alice).await, blocked(&bob).await), (vec!["bob".to_owned()], vec![]));
    bob.block(&alice).await.unwrap();
    assert_eq!(blocked(&alice).await, ["bob"], "a block back does not hide the block");
}

#[tokio::test]
async fn messaging_is_told_before_the_answer_and_not_needed_for_it() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    let told = (alice.id.to_string(), bob.id.to_string());
    alice.block(&bob).await.unwrap();
    assert_eq!(world.peers.take_invalidated(), std::slice::from_ref(&told));
    alice.block(&bob).await.unwrap();
    alice.unblock(&bob).await.unwrap();
    assert_eq!(
        world.peers.take_invalidated(),
        [told.clone(), told],
        "a repeated block may follow one whose answer was lost"
    );
    world.peers.set_messaging_down(true);
    alice.block(&bob).await.unwrap();
    assert_eq!(alice.relationship(&bob).await.unwrap(), Kind::Blocked);
}

#[tokio::test]
async fn in_one_process_a_block_is_not_answered_before_messages_have_settled() {
    let (settled, settling) = tokio::sync::watch::channel(false);
    let world = World::start_with(move |config, wiring| {
        config.listen.request_timeout = Duration::from_millis(1_200);
        wiring.on_contact_change = Some(Arc::new(move |_, _| {
            let mut settling = settling.clone();
            Box::pin(async move { drop(settling.wait_for(|settled| *settled).await) })
        }));
    })
    .await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    // A direct message that takes longer than the call may: the block is there, but it is not said that it holds.
    let status = alice.block(&bob).await.unwrap_err();
    assert_reason(&status, Code::Unavailable, "UNAVAILABLE");
    assert_eq!(alice.relationship(&bob).await.unwrap(), Kind::Blocked);
    assert_reason(&alice.block(&bob).await.unwrap_err(), Code::Unavailable, "UNAVAILABLE");
    // What promises less waits less.
    alice.unblock(&bob).await.unwrap();

    let mut blocking = std::pin::pin!(carol.block(&bob));
    tokio::select! {
        biased;
        answer = &mut blocking => panic!("answered before it had settled: {answer:?}"),
        () = committed(&world) => {}
    }
    settled.send_replace(true);
    blocking.await.unwrap();
    alice.block(&bob).await.unwrap();
}

/// Waits until a block can be seen.
async fn committed(world: &World) {
    testkit::eventually("the block is committed", Duration::from_secs(5), async || {
        let blocks: i64 = sqlx::query_scalar("SELECT count(*) FROM blocks")
            .fetch_one(&mut world.database.connect().await)
            .await
            .unwrap();
        (blocks > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn in_one_process_a_function_is_called_instead() {
    let told: Arc<Mutex<Vec<_>>> = Arc::default();
    let world = {
        let told = Arc::clone(&told);
        World::start_with(move |_, wiring| {
            wiring.on_contact_change = Some(Arc::new(move |one, other| {
                told.lock().unwrap().push((one, other));
                Box::pin(std::future::ready(()))
            }));
        })
        .await
    };
    let [alice, bob] = world.people(["alice", "bob"]).await;
    alice.block(&bob).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [(alice.id, Some(bob.id))]);
    assert_eq!(world.peers.take_invalidated(), []);
}

#[tokio::test]
async fn who_hides_is_asked_for_like_who_does_not_exist() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    let [hides, hides_too] = [&alice, &carol];
    hides.block(&bob).await.unwrap();
    hides_too.block(&bob).await.unwrap();
    let (nobody, nobody_else) = (ids::UserId::generate(world.clock.now()), ids::UserId::generate(world.clock.now()));

    for (one, other) in
        [(hides.id.to_string(), hides_too.id.to_string()), (nobody.to_string(), nobody_else.to_string())]
    {
        let before = world.peers.lookups();
        for _ in 0..2 {
            let request = pb::GetUserProfileRequest { user_id: one.clone() };
            assert_reason(&bob.client().get_user_profile(request).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
            let request = pb::GetUserFollowersRequest { user_id: one.clone(), ..Default::default() };
            assert_reason(
                &bob.client().get_user_followers(request).await.unwrap_err(),
                Code::NotFound,
                "USER_NOT_FOUND",
            );
            let request = pb::GetUserProfilesByIdsRequest { user_ids: vec![one.clone(), other.clone()] };
            let shown = bob.client().get_user_profiles_by_ids(request).await.unwrap().into_inner().profiles;
            assert!(shown.is_empty());
        }
        assert_eq!(world.peers.lookups() - before, 2, "once for each of the two, and remembered");
    }
}
