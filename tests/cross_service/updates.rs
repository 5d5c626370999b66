//! G7: of many updates with the same expected version exactly one wins. And the same conversation opened by two at once.

use errors::ErrorDetailsOf;
use futures::future::{join_all, try_join_all};
use protos::messaging::v1::{ListConversationsRequest, UpdateConversationRequest};
use protos::user::v1::{UpdateUserProfileRequest, UpdateUserSettingsRequest};
use test_harness::{Outcome, Refusal, World, all_pages};
use tonic::Code;

const WRITERS: usize = 50;

/// Runs the writers at once; all but one must be told which version there is now. Returns who won.
async fn exactly_one_wins<T: std::fmt::Debug>(
    new_version: i64,
    write: impl AsyncFn(usize) -> Outcome<T>,
) -> (usize, T) {
    let mut winner = None;
    for (n, answer) in join_all((0..WRITERS).map(async |n| write(n).await)).await.into_iter().enumerate() {
        match answer {
            Ok(won) if winner.is_none() => winner = Some((n, won)),
            Ok(won) => panic!("{winner:?} has won, and so has {n}: {won:?}"),
            lost => {
                let status = lost.refused(Code::Aborted, "VERSION_CONFLICT");
                assert_eq!(status.reason_metadata("current_version"), Some(new_version.to_string()), "{status:?}");
            }
        }
    }
    winner.expect("one wins")
}

#[tokio::test]
async fn g7_one_of_fifty_profile_updates_wins() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    for version in 1..4 {
        let (winner, profile) = exactly_one_wins(version + 1, async |n| {
            let request = UpdateUserProfileRequest {
                user_id: ada.id.clone(),
                display_name: Some(format!("ada {n}")),
                expected_version: version,
                ..Default::default()
            };
            Ok(ada.clients.user.clone().update_user_profile(request).await?.into_inner().profile)
        })
        .await;
        let now = ada.profile_of("me").await?;
        assert_eq!((now.version, now.display_name.clone()), (version + 1, format!("ada {winner}")));
        assert_eq!(profile, Some(now));
    }
    Ok(())
}

#[tokio::test]
async fn g7_one_of_fifty_settings_updates_wins_even_the_first_ever() -> Outcome {
    let world = World::start().await;
    let ada = world.person("ada").await?;
    for version in 1..4 {
        let (winner, settings) = exactly_one_wins(version + 1, async |n| {
            let request = UpdateUserSettingsRequest {
                user_id: ada.id.clone(),
                language: Some(["en", "de", "fr", "it", "es"][n % 5].to_owned()),
                dark_mode: Some(n % 2 == 0),
                expected_version: version,
                ..Default::default()
            };
            Ok(ada.clients.user.clone().update_user_settings(request).await?.into_inner().settings)
        })
        .await;
        let now = ada.settings().await?;
        assert_eq!((now.version, now.dark_mode), (version + 1, winner % 2 == 0));
        assert_eq!(settings, Some(now));
    }
    Ok(())
}

#[tokio::test]
async fn g7_one_of_fifty_edits_of_a_message_wins() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let conversation = ada.direct_with(&bob).await?.id;
    let message = ada.send(&conversation, "first").await?;
    for version in 1..4 {
        let (winner, edited) =
            exactly_one_wins(version + 1, async |n| ada.edit(&message.id, &format!("edit {n}"), version).await).await;
        let now = bob.history(&conversation, false).await?.remove(0);
        assert_eq!((now.version, now.content.clone()), (version + 1, format!("edit {winner}")));
        assert_eq!(edited, now);
    }
    Ok(())
}

#[tokio::test]
async fn g7_one_of_fifty_names_for_a_group_wins() -> Outcome {
    let world = World::start().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let group = ada.group_with(&[&bob], "unnamed").await?;
    for version in group.version..group.version + 3 {
        let (winner, renamed) = exactly_one_wins(version + 1, async |n| {
            let request = UpdateConversationRequest {
                conversation_id: group.id.clone(),
                name: Some(format!("name {n}")),
                expected_version: version,
            };
            Ok(ada.clients.messaging.clone().update_conversation(request).await?.into_inner().conversation)
        })
        .await;
        let now = bob.conversation(&group.id).await?.conversation.expect("a conversation");
        assert_eq!((now.version, now.name.clone()), (version + 1, format!("name {winner}")));
        assert_eq!(renamed, Some(now));
    }
    Ok(())
}

#[tokio::test]
async fn two_people_who_open_their_conversation_at_once_get_the_same() -> Outcome {
    let world = World::start().await;
    let people = world.crowd(15).await?; // 105 pairs
    for (n, one) in people.iter().enumerate() {
        for other in &people[n + 1..] {
            let opened = try_join_all([one.direct_with(other), other.direct_with(one), one.direct_with(other)]).await?;
            assert!(opened.iter().all(|c| c.id == opened[0].id && c.member_count == 2), "{opened:?}");
        }
    }
    for person in &people {
        let listed = all_pages(async |page_token| {
            let request =
                ListConversationsRequest { user_id: person.id.clone(), limit: 100, page_token, ..Default::default() };
            let page = person.clients.messaging.clone().list_conversations(request).await?.into_inner();
            assert_eq!(page.total_count, 14);
            Ok((page.conversations, page.next_page_token))
        });
        assert_eq!(listed.await?.len(), people.len() - 1, "one conversation for each pair");
    }
    Ok(())
}
