//! Stories from end to end, and many people at once.

use futures::future::try_join_all;
use protos::messaging::v1::ListConversationsRequest;
use test_harness::scenario::{
    blocks, conversation_between, finds, follows, mark_read, send, send_again, sending_is_refused, step, unblocks,
    unread,
};
use test_harness::{IntegrationTestScenario, Outcome, World};
use tonic::Code;

#[tokio::test]
async fn two_people_meet_write_and_read() {
    let world = World::start().await;
    IntegrationTestScenario::new("register two, follow, open a conversation, send, retry, read")
        .given(follows("ada", "bob"))
        .given(conversation_between("ada", "bob"))
        .when(send("ada", "hello"))
        .then(unread("bob", 1))
        .then(unread("ada", 0))
        .when(send_again("ada", "are you there?", "retry-1"))
        .when(send_again("ada", "are you there?", "retry-1"))
        .then(unread("bob", 2))
        .when(mark_read("bob"))
        .then(unread("bob", 0))
        .when(send("bob", "yes"))
        .then(unread("ada", 1))
        .then(unread("bob", 0))
        .then(finds("ada", &["hello", "are you there?", "yes"]))
        .then(finds("bob", &["hello", "are you there?", "yes"]))
        .run(&world)
        .await;
}

#[tokio::test]
async fn a_block_ends_a_conversation_and_its_end_lets_it_go_on() {
    let world = World::start().await;
    if world.is_provided() {
        // Replicas may lag by a second; cross_service::blocks waits for that.
        return a_block_is_seen(&world).await;
    }
    IntegrationTestScenario::new("block and unblock")
        .given(follows("ada", "bob"))
        .given(conversation_between("bob", "ada"))
        .given(send("ada", "one"))
        .when(blocks("bob", "ada"))
        .then(sending_is_refused("ada", Code::FailedPrecondition, "USER_BLOCKED"))
        .then(sending_is_refused("bob", Code::FailedPrecondition, "USER_BLOCKED"))
        .then(unread("bob", 1))
        .when(unblocks("bob", "ada"))
        .then(step("ada does not follow bob again", |stage| {
            Box::pin(async move {
                let kind = stage.person("ada")?.relationship_to(stage.person("bob")?).await?;
                assert_eq!(kind, protos::user::v1::relationship::Kind::None);
                Ok(())
            })
        }))
        .when(send("ada", "two"))
        .then(finds("bob", &["one", "two"]))
        .run(&world)
        .await;
}

async fn a_block_is_seen(world: &World) {
    IntegrationTestScenario::new("block, as the user service shows it")
        .given(follows("ada", "bob"))
        .given(conversation_between("bob", "ada"))
        .when(blocks("bob", "ada"))
        .then(step("bob's profile is hidden from ada", |stage| {
            Box::pin(async move {
                let bob = stage.person("bob")?.id.clone();
                let hidden = stage.person("ada")?.profile_of(&bob).await;
                test_harness::Refusal::refused(hidden, Code::NotFound, "USER_NOT_FOUND");
                Ok(())
            })
        }))
        .run(world)
        .await;
}

#[tokio::test]
async fn many_people_at_once_each_get_their_own_answers() -> Outcome {
    let world = World::start().await;
    let crowd = world.crowd(24).await?;
    let hub = &crowd[0];
    let days = crowd[1..].iter().enumerate().map(|(n, person)| async move {
        person.follow(hub).await?;
        let conversation = person.direct_with(hub).await?.id;
        let text = format!("number {n}");
        let sent = try_join_all((0..3).map(|_| person.send(&conversation, &text))).await?;
        let mut sequences: Vec<i64> = sent.iter().map(|m| m.sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, [1, 2, 3]);
        assert!(
            sent.iter().all(|m| m.sender_id == person.id && m.content == text && m.conversation_id == conversation)
        );
        let profile = person.profile_of("me").await?;
        assert_eq!((&profile.username, profile.following_count), (&person.username, 1));
        assert_eq!(hub.unread(Some(&conversation)).await?, 3);
        Outcome::Ok(())
    });
    try_join_all(days).await?;

    let others = i64::try_from(crowd.len() - 1).expect("a small crowd");
    assert_eq!(hub.profile_of("me").await?.follower_count, others);
    assert_eq!(hub.unread(None).await?, 3 * others);
    let request = ListConversationsRequest { user_id: hub.id.clone(), limit: 100, ..Default::default() };
    let list = hub.clients.messaging.clone().list_conversations(request).await?.into_inner();
    assert_eq!((list.total_count, list.conversations.len()), (others, crowd.len() - 1));
    assert!(list.conversations.iter().all(|view| view.unread_count == 3));
    Ok(())
}
