//! What the messaging service asks: may one write to another.

use errors::ErrorDetailsOf;
use ids::UserId;
use protos::user::v1 as pb;
use protos::user::v1::contact::Verdict;
use protos::user::v1::user_settings::AllowMessages;
use testkit::assert_reason;
use tonic::{Code, Status};

use crate::world::World;

async fn check(world: &World, actor: UserId, users: &[UserId]) -> Result<Vec<(UserId, Verdict)>, Status> {
    let user_ids = users.iter().map(UserId::to_string).collect();
    let answer =
        world.service().check_contact(pb::CheckContactRequest { actor_id: actor.to_string(), user_ids }).await?;
    let contacts = answer.into_inner().contacts;
    Ok(contacts.into_iter().map(|c| (c.user_id.parse().unwrap(), c.verdict())).collect())
}

#[tokio::test]
async fn the_first_obstacle_is_told_for_each() {
    let world = World::start().await;
    let [me, open, foe, shy, picky, friend] = world.people(["me", "open", "foe", "shy", "picky", "friend"]).await;
    let new = world.account("new");
    let allow =
        |who: AllowMessages| pb::UpdateUserSettingsRequest { allow_messages: Some(who.into()), ..Default::default() };
    shy.settings(allow(AllowMessages::Nobody)).await.unwrap();
    picky.settings(allow(AllowMessages::Following)).await.unwrap();
    friend.settings(allow(AllowMessages::Following)).await.unwrap();
    friend.follow(&me).await.unwrap();
    me.follow(&picky).await.unwrap();
    foe.block(&me).await.unwrap();
    let stranger = world.new_id();

    let users = [open.id, foe.id, shy.id, picky.id, friend.id, new.id, stranger, me.id, open.id];
    let verdicts = check(&world, me.id, &users).await.unwrap();
    assert_eq!(
        verdicts,
        [
            (open.id, Verdict::Allowed),
            (foe.id, Verdict::BlockedByUser),
            (shy.id, Verdict::NotAllowed),
            (picky.id, Verdict::NotAllowed),
            (friend.id, Verdict::Allowed),
            (new.id, Verdict::Allowed),
            (stranger, Verdict::NotFound),
            (me.id, Verdict::Allowed),
        ]
    );
    assert_eq!(check(&world, foe.id, &[me.id]).await.unwrap(), [(me.id, Verdict::BlockedByActor)]);
    let delete =
        pb::DeleteProfileRequest { user_id: open.id.to_string(), deleted_at: "2026-06-01T12:00:01Z".to_owned() };
    world.service().delete_profile(delete).await.unwrap();
    assert_eq!(check(&world, me.id, &[open.id]).await.unwrap(), [(open.id, Verdict::NotFound)]);
}

#[tokio::test]
async fn a_thousand_at_once_and_no_more() {
    let world = World::start().await;
    let [me, other] = world.people(["me", "other"]).await;
    let mut users: Vec<UserId> = (0..999).map(|_| world.new_id()).collect();
    users.push(other.id);
    let verdicts = check(&world, me.id, &users).await.unwrap();
    assert_eq!(verdicts.len(), 1000);
    assert_eq!(verdicts.last(), Some(&(other.id, Verdict::Allowed)));
    assert!(verdicts[..999].iter().all(|(_, verdict)| *verdict == Verdict::NotFound));
    users.push(me.id);
    assert_eq!(check(&world, me.id, &users).await.unwrap_err().violated_fields(), ["user_ids"]);
    assert_eq!(check(&world, me.id, &[]).await.unwrap_err().violated_fields(), ["user_ids"]);
}

#[tokio::test]
async fn an_auth_service_that_takes_fewer_is_asked_more_often() {
    let world = World::start().await;
    let me = world.person("me").await;
    let new: Vec<UserId> = (0..130).map(|n| world.account(&format!("new{n}")).id).collect();
    world.peers.set_auth_takes(7);
    let verdicts = check(&world, me.id, &new).await.unwrap();
    assert_eq!(verdicts, new.iter().map(|id| (*id, Verdict::Allowed)).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_can_not_be_known_is_not_allowed() {
    let world = World::start().await;
    let [me, other] = world.people(["me", "other"]).await;
    let new = world.account("new");
    world.peers.set_auth_down(true);
    assert_eq!(check(&world, me.id, &[other.id]).await.unwrap(), [(other.id, Verdict::Allowed)]);
    assert_reason(&check(&world, me.id, &[other.id, new.id]).await.unwrap_err(), Code::Unavailable, "UNAVAILABLE");
    world.peers.set_auth_down(false);
    assert_eq!(check(&world, me.id, &[new.id]).await.unwrap(), [(new.id, Verdict::Allowed)]);
}

#[tokio::test]
async fn announcements_are_checked_and_idempotent() {
    let world = World::start().await;
    let id = world.new_id();
    let request = |username: &str, display_name: &str| pb::EnsureProfileRequest {
        user_id: id.to_string(),
        username: username.to_owned(),
        display_name: display_name.to_owned(),
        created_at: "2026-06-01T12:00:00.000001Z".to_owned(),
    };
    let bad =
        pb::EnsureProfileRequest { user_id: "x".to_owned(), created_at: "today".to_owned(), ..request("", " \u{0}") };
    let status = world.service().ensure_profile(bad).await.unwrap_err();
    assert_eq!(status.violated_fields(), ["user_id", "username", "display_name", "created_at"]);
    assert!(world.service().ensure_profile(request("eve", "Eve")).await.unwrap().into_inner().created);
    assert!(!world.service().ensure_profile(request("eve", "Another")).await.unwrap().into_inner().created);
    let profile =
        world.service().get_user_profile(pb::GetUserProfileRequest { user_id: id.to_string() }).await.unwrap();
    let profile = profile.into_inner().profile.unwrap();
    assert_eq!((profile.display_name.as_str(), profile.created_at.as_str()), ("Eve", "2026-06-01T12:00:00.000001Z"));
    let bad = pb::DeleteProfileRequest { user_id: String::new(), deleted_at: "2026-06-01T12:00:00Z".to_owned() };
    assert_eq!(world.service().delete_profile(bad).await.unwrap_err().violated_fields(), ["user_id"]);
}
