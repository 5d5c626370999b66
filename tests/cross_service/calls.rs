//! What one service has to know of another: auth → user, user → auth, messaging → user, user → messaging.

use std::time::Duration;

use errors::ErrorDetailsOf;
use futures::future::try_join_all;
use protos::user::v1::user_settings::AllowMessages;
use protos::user::v1::{GetUserProfilesByIdsRequest, UpdateUserProfileRequest};
use test_harness::{Link, Outcome, Refusal, ServiceName, World};
use testkit::eventually;
use tonic::Code;

#[tokio::test]
async fn a_profile_can_be_read_as_soon_as_register_has_answered() -> Outcome {
    let world = World::start().await;
    let reader = world.person("reader").await?;
    let registered_and_read = (0..20).map(|_| async {
        let newcomer = world.person("newcomer").await?;
        let profile = reader.profile_of(&newcomer.id).await?;
        assert_eq!((&profile.id, &profile.username), (&newcomer.id, &newcomer.username));
        assert_eq!((profile.display_name.as_str(), profile.version), ("newcomer", 1));
        assert_eq!((profile.follower_count, profile.following_count), (0, 0));
        Ok(())
    });
    try_join_all(registered_and_read).await.map(drop)
}

#[tokio::test]
async fn a_profile_that_registration_could_not_make_is_made_when_it_is_read() -> Outcome {
    let world = World::own().await;
    let reader = world.person("reader").await?;
    world.set_link(ServiceName::User, Link::Cut)?; // auth can't reach user, user reaches auth
    let newcomer = world.person("newcomer").await?;
    let profile = reader.profile_of(&newcomer.id).await?;
    assert_eq!((&profile.id, &profile.username), (&newcomer.id, &newcomer.username));

    world.set_link(ServiceName::User, Link::Open)?;
    eventually("the profile has the name that was given at registration", Duration::from_secs(20), || async {
        (reader.profile_of(&newcomer.id).await.ok()?.display_name == "newcomer").then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn an_email_is_shown_to_its_owner_and_to_nobody_else() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    assert_eq!(ada.profile_of(&ada.id).await?.email.as_deref(), Some(ada.email.as_str()));
    assert_eq!(ada.profile_of("me").await?.email.as_deref(), Some(ada.email.as_str()));
    assert_eq!(bob.profile_of(&ada.id).await?.email, None);

    let request = GetUserProfilesByIdsRequest { user_ids: vec![ada.id.clone(), bob.id.clone()] };
    let found = bob.clients.user.clone().get_user_profiles_by_ids(request).await?.into_inner().profiles;
    assert_eq!(found[&ada.id].email, None);
    assert_eq!(found[&bob.id].email.as_deref(), Some(bob.email.as_str()));
    Ok(())
}

#[tokio::test]
async fn a_batch_look_up_finds_whom_there_is_and_leaves_out_whom_there_is_not() -> Outcome {
    let world = World::start().await;
    let crowd = world.crowd(30).await?;
    let reader = &crowd[0];
    let blocker = &crowd[1];
    blocker.block(reader).await?;

    let nobody = "01890000-0000-7000-8000-000000000000".to_owned();
    let mut user_ids: Vec<String> = crowd.iter().map(|person| person.id.clone()).collect();
    user_ids.extend([nobody, crowd[5].id.clone()]); // unknown, and one named twice
    let request = GetUserProfilesByIdsRequest { user_ids };
    let found = reader.clients.user.clone().get_user_profiles_by_ids(request).await?.into_inner().profiles;
    assert_eq!(found.len(), crowd.len() - 1, "everybody but who has blocked the reader");
    for person in crowd.iter().filter(|person| person.id != blocker.id) {
        assert_eq!(found[&person.id].username, person.username);
    }

    let request = GetUserProfilesByIdsRequest { user_ids: vec![crowd[0].id.clone(); 101] };
    reader.clients.user.clone().get_user_profiles_by_ids(request).await.refused_field("user_ids");
    Ok(())
}

#[tokio::test]
async fn nobody_can_write_to_who_does_not_exist() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    let mut ghost = ada.clone();
    ghost.id = "01890000-0000-7000-8000-000000000000".to_owned();
    let status = ada.direct_with(&ghost).await.refused(Code::NotFound, "USER_NOT_FOUND");
    assert_eq!(status.reason_metadata("user_id"), Some(ghost.id.clone()));
    ada.group_with(&[&ghost], "haunted").await.refused(Code::NotFound, "USER_NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn messaging_sees_a_change_of_settings_at_once() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    ada.send(&conversation, "before").await?;

    bob.allow_messages_from(AllowMessages::Nobody).await?;
    if world.is_provided() {
        within_a_second(async || ada.send(&conversation, "?").await.is_refused("MESSAGES_NOT_ALLOWED")).await;
    }
    ada.send(&conversation, "no").await.refused(Code::FailedPrecondition, "MESSAGES_NOT_ALLOWED");
    bob.send(&conversation, "bob may still write to ada").await?;

    bob.allow_messages_from(AllowMessages::Following).await?;
    ada.send(&conversation, "no").await.refused(Code::FailedPrecondition, "MESSAGES_NOT_ALLOWED");
    bob.follow(&ada).await?;
    within_a_second(async || ada.send(&conversation, "bob follows ada now").await.is_ok()).await;

    bob.allow_messages_from(AllowMessages::Everyone).await?;
    ada.send(&conversation, "after").await?;
    Ok(())
}

#[tokio::test]
async fn a_change_of_profile_is_what_the_other_members_see() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?;
    let request = UpdateUserProfileRequest {
        user_id: bob.id.clone(),
        display_name: Some("Bob the Builder".to_owned()),
        bio: Some("builds\nthings".to_owned()),
        expected_version: 1,
        ..Default::default()
    };
    bob.clients.user.clone().update_user_profile(request).await?;

    let user_ids = ada.conversation(&conversation.id).await?.conversation.expect("a conversation").member_ids;
    let request = GetUserProfilesByIdsRequest { user_ids };
    let members = ada.clients.user.clone().get_user_profiles_by_ids(request).await?.into_inner().profiles;
    let seen = &members[&bob.id];
    assert_eq!((seen.display_name.as_str(), seen.bio.as_str(), seen.version), ("Bob the Builder", "builds\nthings", 2));
    Ok(())
}

#[tokio::test]
async fn messaging_without_the_user_service_holds_to_what_it_knows_and_never_guesses() -> Outcome {
    let world = World::own().await;
    let [ada, bob, eve] = world.people(["ada", "bob", "eve"]).await?;
    let known = ada.direct_with(&bob).await?.id;
    let unknown = eve.direct_with(&bob).await?.id;
    ada.send(&known, "hello").await?;
    for link in [Link::Cut, Link::Stalled] {
        world.set_link(ServiceName::User, link)?;
        ada.send(&known, "the last known answer holds").await?;
        eve.send(&unknown, "nobody knows").await.refused(Code::Unavailable, "UNAVAILABLE");
        ada.direct_with(&eve).await.refused(Code::Unavailable, "UNAVAILABLE");
    }
    world.set_link(ServiceName::User, Link::Open)?;
    within_a_second(async || eve.send(&unknown, "it recovers by itself").await.is_ok()).await;
    Ok(())
}

#[tokio::test]
async fn the_others_go_on_without_the_auth_service() -> Outcome {
    let world = World::own().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    for link in [Link::Cut, Link::Stalled] {
        world.set_link(ServiceName::Auth, link)?;
        let profile = bob.profile_of("me").await?;
        assert_eq!((&profile.username, profile.email), (&bob.username, None), "the e-mail is the auth service's");
        ada.send(&conversation, "tokens are checked with the keys that are known").await?;
        ada.follow(&bob).await?;
        ada.unfollow(&bob).await?;
    }
    world.set_link(ServiceName::Auth, Link::Open)?;
    within_a_second(async || bob.profile_of("me").await.is_ok_and(|p| p.email.as_ref() == Some(&bob.email))).await;
    Ok(())
}

/// Waits until `ask` says yes.
async fn within_a_second(ask: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !ask().await {
        assert!(begun.elapsed().as_millis() < 1000, "not within a second");
    }
}
