//! What services learn from each other by the event bus alone, while the calls that would tell them are cut.

use std::time::Duration;

use protos::auth::v1::DeleteAccountRequest;
use protos::user::v1::SearchUsersRequest;
use test_harness::{Link, Outcome, ServiceName, World};
use testkit::eventually;
use tonic::Code;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_registration_and_a_deletion_reach_the_others_by_the_bus_alone() -> Outcome {
    let world = World::own().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let group = ada.group_with(&[&bob], "readers").await?.id;
    ada.send(&group, "to be forgotten").await?;
    world.set_link(ServiceName::User, Link::Cut)?; // auth reaches neither user
    world.set_link(ServiceName::Messaging, Link::Cut)?; // nor messaging

    let eve = world.person("eve").await?;
    // Search makes no profile of an account that it does not know.
    let found = async |username: &str| -> bool {
        let request = SearchUsersRequest { query: username.to_owned(), ..Default::default() };
        let answer = ada.clients.user.clone().search_users(request).await;
        answer.is_ok_and(|answer| answer.into_inner().profiles.iter().any(|profile| profile.username == username))
    };
    eventually("the profile is made", SOON, async || found(&eve.username).await.then_some(())).await;

    let delete = DeleteAccountRequest { user_id: bob.id.clone(), password: bob.password.clone() };
    bob.clients.auth.clone().delete_account(delete).await?;
    eventually("the profile is deleted", SOON, async || (!found(&bob.username).await).then_some(())).await;
    eventually("the group is left", SOON, async || {
        let conversation = ada.conversation(&group).await.ok()?.conversation?;
        (conversation.member_count == 1).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_block_reaches_a_replica_that_no_call_reaches() -> Outcome {
    let world = World::own().await;
    let [ada, bob] = world.people(["ada", "bob"]).await?;
    let chat = ada.direct_with(&bob).await?.id;
    let there = world.with_messaging_replica().await?; // the user service knows nothing of it
    let far = there.seen_from_here(&ada);
    far.send(&chat, "allowed").await?;
    world.set_link(ServiceName::Messaging, Link::Cut)?;
    bob.block(&ada).await?;
    // It can't be told apart from outside what it is that told the replica: that it does not ask for an hour is tried in the
    // service's own tests. Here it is the real events of a real block.
    eventually("the block is obeyed there", Duration::from_secs(20), async || match far.send(&chat, "?").await {
        Err(test_harness::GrpcTestError::Status { code: Code::FailedPrecondition, .. }) => Some(()),
        _ => None,
    })
    .await;
    Ok(())
}
