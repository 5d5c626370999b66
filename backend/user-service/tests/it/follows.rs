//! Follows and requests.

use errors::ErrorDetailsOf;
use protos::user::v1 as pb;
use protos::user::v1::relationship::Kind;
use testkit::assert_reason;
use tonic::Code;

use crate::world::{Person, World, names, relationship};

async fn requests(person: &Person) -> Vec<String> {
    let request = pb::ListFollowRequestsRequest { user_id: "me".to_owned(), ..Default::default() };
    names(person.client().list_follow_requests(request).await.unwrap().into_inner().profiles)
}

#[tokio::test]
async fn following_may_be_repeated_and_counts_once() {
    let world = World::start().await;
    let [alice, bob] = world.people(["alice", "bob"]).await;
    assert_eq!(alice.follow(&bob).await.unwrap(), Kind::Following);
    assert_eq!(alice.follow(&bob).await.unwrap(), Kind::Following);
    assert_eq!((alice.counts().await, bob.counts().await), ((0, 1), (1, 0)));
    assert_eq!(
        (alice.relationship(&bob).await.unwrap(), bob.relationship(&alice).await.unwrap()),
        (Kind::Following, Kind::Follower)
    );
    assert_eq!(bob.follow(&alice).await.unwrap(), Kind::Mutual);
    assert_eq!(alice.relationship(&bob).await.unwrap(), Kind::Mutual);
    assert_eq!((alice.counts().await, bob.counts().await), ((1, 1), (1, 1)));
    assert_eq!(alice.profile(&alice).await.unwrap().version, 1, "counts do not change the version");

    assert_eq!(alice.unfollow(&bob).await.unwrap(), Kind::Follower);
    assert_eq!(alice.unfollow(&bob).await.unwrap(), Kind::Follower);
    assert_eq!(bob.unfollow(&alice).await.unwrap(), Kind::None);
    assert_eq!((alice.counts().await, bob.counts().await), ((0, 0), (0, 0)));
    world.assert_consistent().await;
}

#[tokio::test]
async fn nobody_follows_themself_or_nobody() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let status = alice.follow(&alice).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    assert_eq!(status.violated_fields(), ["followee_id"]);
    assert_eq!(alice.block(&alice).await.unwrap_err().violated_fields(), ["blocked_id"]);
    assert_eq!(alice.relationship(&alice).await.unwrap_err().violated_fields(), ["user_id_2"]);
    let stranger = Person { id: world.new_id(), client: alice.client() };
    assert_reason(&alice.follow(&stranger).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(&alice.block(&stranger).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_reason(&alice.relationship(&stranger).await.unwrap_err(), Code::NotFound, "USER_NOT_FOUND");
    assert_eq!(alice.unfollow(&stranger).await.unwrap(), Kind::None);
    alice.unblock(&stranger).await.unwrap();
    world.peers.set_auth_down(true);
    let unknowable = Person { id: world.new_id(), client: alice.client() };
    assert_reason(&alice.follow(&unknowable).await.unwrap_err(), Code::Unavailable, "UNAVAILABLE");
    let bad = pb::FollowUserRequest { follower_id: Some("x".to_owned()), followee_id: String::new() };
    assert_eq!(alice.client().follow_user(bad).await.unwrap_err().violated_fields(), ["follower_id", "followee_id"]);
}

#[tokio::test]
async fn a_private_account_is_asked() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    alice.set_private(true).await;
    assert_eq!(bob.follow(&alice).await.unwrap(), Kind::Pending);
    assert_eq!(bob.follow(&alice).await.unwrap(), Kind::Pending);
    world.hands.advance(std::time::Duration::from_secs(1));
    assert_eq!(carol.follow(&alice).await.unwrap(), Kind::Pending);
    assert_eq!((alice.counts().await, bob.counts().await), ((0, 0), (0, 0)), "requests do not count");
    assert_eq!(
        (bob.relationship(&alice).await.unwrap(), alice.relationship(&bob).await.unwrap()),
        (Kind::Pending, Kind::None)
    );
    assert_eq!(requests(&alice).await, ["carol", "bob"]);
    assert_eq!(requests(&bob).await, [] as [&str; 0]);

    assert_eq!(alice.respond(&bob, true).await.unwrap(), Kind::Follower);
    assert_eq!(alice.respond(&carol, false).await.unwrap(), Kind::None);
    assert_reason(&alice.respond(&bob, true).await.unwrap_err(), Code::NotFound, "FOLLOW_REQUEST_NOT_FOUND");
    assert_reason(&alice.respond(&carol, true).await.unwrap_err(), Code::NotFound, "FOLLOW_REQUEST_NOT_FOUND");
    assert_eq!((alice.counts().await, bob.counts().await, carol.counts().await), ((1, 0), (0, 1), (0, 0)));
    assert_eq!(requests(&alice).await, [] as [&str; 0]);
    assert_eq!(carol.follow(&alice).await.unwrap(), Kind::Pending, "a refused request may be made again");
    assert_eq!(carol.unfollow(&alice).await.unwrap(), Kind::None, "and withdrawn");
    assert_eq!(requests(&alice).await, [] as [&str; 0]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_request_outlives_privacy_until_it_is_answered_or_repeated() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    alice.set_private(true).await;
    bob.follow(&alice).await.unwrap();
    carol.follow(&alice).await.unwrap();
    alice.set_private(false).await;
    assert_eq!(bob.relationship(&alice).await.unwrap(), Kind::Pending);
    assert_eq!(bob.follow(&alice).await.unwrap(), Kind::Following);
    assert_eq!(alice.respond(&carol, true).await.unwrap(), Kind::Follower);
    assert_eq!(alice.counts().await, (2, 0));
    alice.set_private(true).await;
    assert_eq!(bob.follow(&alice).await.unwrap(), Kind::Following, "followers stay when an account becomes private");
    world.assert_consistent().await;
}

#[tokio::test]
async fn services_and_administrators_act_for_others_and_persons_do_not() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    let request = || pb::FollowUserRequest { follower_id: Some(alice.id.to_string()), followee_id: bob.id.to_string() };
    assert_reason(
        &carol.client().follow_user(request()).await.unwrap_err(),
        Code::PermissionDenied,
        "PERMISSION_DENIED",
    );
    assert_eq!(alice.counts().await, (0, 0));
    for mut client in [alice.client(), world.service(), world.admin()] {
        assert_eq!(client.follow_user(request()).await.unwrap().into_inner().relationship(), Kind::Following);
    }
    assert_eq!(alice.counts().await, (0, 1));
    for nobody_named in [None, Some(String::new())] {
        let me = pb::FollowUserRequest { follower_id: nobody_named, followee_id: bob.id.to_string() };
        assert!(alice.client().follow_user(me.clone()).await.unwrap().into_inner().success, "the caller follows");
        let status = world.service().follow_user(me).await.unwrap_err();
        assert_eq!(status.violated_fields(), ["follower_id"], "a service is nobody who could follow");
    }
}

#[tokio::test]
async fn a_relationship_is_shown_to_the_two_and_to_services() {
    let world = World::start().await;
    let [alice, bob, carol] = world.people(["alice", "bob", "carol"]).await;
    alice.follow(&bob).await.unwrap();
    for client in [alice.client(), bob.client(), world.service(), world.admin()] {
        assert_eq!(relationship(client.clone(), alice.id, bob.id).await.unwrap(), Kind::Following);
        assert_eq!(relationship(client, bob.id, alice.id).await.unwrap(), Kind::Follower);
    }
    let status = relationship(carol.client(), alice.id, bob.id).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "PERMISSION_DENIED");
}
