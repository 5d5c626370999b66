//! The calls that are measured.

use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{GetMessagesRequest, GetUnreadCountRequest, ListConversationsRequest};
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{GetUserProfileRequest, GetUserProfilesByIdsRequest, UpdateUserProfileRequest};
use tonic::Status;
use tonic::transport::Channel;

use crate::data::Data;
use crate::load::{Load, Report};
use crate::nova::Nova;

/// A different thing each time, the same in each run.
fn pick(worker: usize, n: u64, of: usize) -> usize {
    let mixed = (worker as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(n.wrapping_mul(0xD1B5_4A32_D192_ED03));
    usize::try_from((mixed >> 33) % of as u64).expect("less than a usize")
}

/// Any person reads any profile.
pub async fn profiles(load: &Load, nova: &Nova, data: &Data) -> anyhow::Result<Report> {
    let (channels, data) = (nova.channels(load.connections).await?, data.clone());
    load.run(move |worker, n| {
        let (channel, data) = (channels[worker % channels.len()].clone(), data.clone());
        async move {
            let whose = &data.people[pick(worker, n, data.people.len())];
            let who = &data.people[worker % data.people.len()];
            let request = who.request(GetUserProfileRequest { user_id: whose.id.clone() });
            UserServiceClient::new(channel).get_user_profile(request).await.map(drop)
        }
    })
    .await
}

/// Any person reads any profile over either replica, and changes their own once in fifty calls.
pub async fn changing_profiles(load: &Load, nova: &Nova, data: &Data) -> anyhow::Result<Report> {
    let mut channels = nova.channels(load.connections).await?;
    channels.extend(nova.replica_channels(load.connections).await?);
    let data = data.clone();
    load.run(move |worker, n| {
        let (channel, data) = (channels[pick(worker + 1000, n, channels.len())].clone(), data.clone());
        async move {
            let who = &data.people[worker % data.people.len()];
            let mut users = UserServiceClient::new(channel);
            if n % 50 == 49 {
                let change = UpdateUserProfileRequest {
                    user_id: who.id.clone(),
                    bio: Some(format!("changed {n} times")),
                    ..UpdateUserProfileRequest::default()
                };
                return users.update_user_profile(who.request(change)).await.map(drop);
            }
            let whose = &data.people[pick(worker, n, data.people.len())];
            let request = who.request(GetUserProfileRequest { user_id: whose.id.clone() });
            users.get_user_profile(request).await.map(drop)
        }
    })
    .await
}

/// Fifty profiles at once.
pub async fn batches(load: &Load, nova: &Nova, data: &Data) -> anyhow::Result<Report> {
    let (channels, data) = (nova.channels(load.connections).await?, data.clone());
    load.run(move |worker, n| {
        let (channel, data) = (channels[worker % channels.len()].clone(), data.clone());
        async move {
            let first = pick(worker, n, data.people.len());
            let user_ids = (0..50).map(|m| data.people[(first + m) % data.people.len()].id.clone()).collect();
            let request = data.people[worker % data.people.len()].request(GetUserProfilesByIdsRequest { user_ids });
            UserServiceClient::new(channel).get_user_profiles_by_ids(request).await.map(drop)
        }
    })
    .await
}

/// Messages into direct conversations or groups.
pub async fn sends(load: &Load, nova: &Nova, data: &Data, direct: bool) -> anyhow::Result<Report> {
    let (channels, data) = (nova.channels(load.connections).await?, data.clone());
    load.run(move |worker, n| {
        let (channel, data) = (channels[worker % channels.len()].clone(), data.clone());
        async move {
            let talks = if direct { &data.direct } else { &data.groups };
            let talk = &talks[pick(worker, n, talks.len())];
            let request = data.people[talk.member].request(data.message(talk));
            let sent = MessagingServiceClient::new(channel).send_message(request).await?.into_inner();
            let message = sent.message.ok_or_else(|| Status::internal("no message"))?;
            data.acknowledge(message.id);
            Ok(())
        }
    })
    .await
}

/// The newest fifty messages.
pub async fn pages(load: &Load, nova: &Nova, data: &Data) -> anyhow::Result<Report> {
    messaging(load, nova, data, |mut client, data, worker, n| async move {
        let talk = &data.groups[pick(worker, n, data.groups.len())];
        let page = GetMessagesRequest { conversation_id: talk.id.clone(), limit: 50, ..Default::default() };
        client.get_messages(data.people[talk.member].request(page)).await.map(drop)
    })
    .await
}

/// Somebody's newest conversations.
pub async fn conversations(load: &Load, nova: &Nova, data: &Data) -> anyhow::Result<Report> {
    messaging(load, nova, data, |mut client, data, worker, n| async move {
        let who = &data.people[pick(worker, n, data.people.len())];
        let list = ListConversationsRequest { user_id: who.id.clone(), ..Default::default() };
        client.list_conversations(who.request(list)).await.map(drop)
    })
    .await
}

/// Somebody's unread messages in all conversations.
pub async fn unread(load: &Load, nova: &Nova, data: &Data) -> anyhow::Result<Report> {
    messaging(load, nova, data, |mut client, data, worker, n| async move {
        let who = &data.people[pick(worker, n, data.people.len())];
        let count = GetUnreadCountRequest { user_id: who.id.clone(), ..Default::default() };
        client.get_unread_count(who.request(count)).await.map(drop)
    })
    .await
}

async fn messaging<F, Fut>(load: &Load, nova: &Nova, data: &Data, call: F) -> anyhow::Result<Report>
where
    F: Fn(MessagingServiceClient<Channel>, Data, usize, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (channels, data) = (nova.channels(load.connections).await?, data.clone());
    load.run(move |worker, n| {
        let client = MessagingServiceClient::new(channels[worker % channels.len()].clone());
        call(client, data.clone(), worker, n)
    })
    .await
}
