//! People who do all that makes events, and take it as it comes when they are refused.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use protos::auth::v1::RegisterRequest;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{
    CreateConversationRequest, DeleteMessageRequest, MarkAsReadRequest, SendMessageRequest, UpdateMessageRequest,
    conversation,
};
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{
    BlockUserRequest, FollowUserRequest, UnblockUserRequest, UnfollowUserRequest, UpdateUserProfileRequest,
};
use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::cast::Cast;
use super::roll;

const PEOPLE: usize = 16;
const GROUPS: usize = 12;
const WORKERS: usize = 8;
/// Newest messages that are edited, deleted and read.
const RECENT: usize = 200;

struct Person {
    id: String,
    token: MetadataValue<Ascii>,
}

/// See the module.
pub struct Crowd {
    auth: AuthServiceClient<Channel>,
    user: UserServiceClient<Channel>,
    messaging: MessagingServiceClient<Channel>,
    people: Vec<Person>,
    /// Groups, and who is in them.
    groups: Vec<(String, Vec<usize>)>,
    /// Direct conversations, and whose they are.
    directs: Vec<((usize, usize), String)>,
    recent: Mutex<Vec<(String, usize)>>,
    registered: AtomicUsize,
    done: AtomicUsize,
    refused: AtomicUsize,
    unreached: AtomicUsize,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [done, refused, unreached] =
            [&self.done, &self.refused, &self.unreached].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{done} calls answered, {refused} refused by a rule, {unreached} failed for want of a service")
    }
}

impl Crowd {
    /// Registers people and makes groups of them.
    pub async fn gather(cast: &Cast) -> anyhow::Result<Self> {
        let mut crowd = Self {
            auth: AuthServiceClient::new(cast.channel("auth")?),
            user: UserServiceClient::new(cast.channel("user")?),
            messaging: MessagingServiceClient::new(cast.channel("messaging")?),
            people: vec![],
            groups: vec![],
            directs: vec![],
            recent: Mutex::default(),
            registered: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            unreached: AtomicUsize::new(0),
        };
        for _ in 0..PEOPLE {
            let answer =
                insist(async || crowd.auth.clone().register(crowd.next_registration()).await).await?.into_inner();
            let token = format!("Bearer {}", answer.tokens.context("tokens")?.access_token).parse()?;
            crowd.people.push(Person { id: answer.user.context("a user")?.id, token });
        }
        for n in 0..GROUPS {
            let members: Vec<usize> = (0..2 + n % 5).map(|m| (n + m) % PEOPLE).collect();
            let create = CreateConversationRequest {
                r#type: conversation::Type::Group.into(),
                member_ids: members.iter().map(|m| crowd.people[*m].id.clone()).collect(),
                name: Some(format!("group {n}")),
                ..Default::default()
            };
            let made = insist(async || {
                crowd.messaging.clone().create_conversation(crowd.request(members[0], create.clone())).await
            })
            .await?;
            crowd.groups.push((made.into_inner().conversation.context("a conversation")?.id, members));
        }
        for one in 0..PEOPLE {
            let other = (one + 1) % PEOPLE;
            let create = CreateConversationRequest {
                r#type: conversation::Type::Direct.into(),
                member_ids: vec![crowd.people[other].id.clone()],
                ..Default::default()
            };
            let made =
                insist(async || crowd.messaging.clone().create_conversation(crowd.request(one, create.clone())).await)
                    .await?;
            crowd.directs.push(((one, other), made.into_inner().conversation.context("a conversation")?.id));
        }
        Ok(crowd)
    }

    /// Keeps everybody busy until it is over.
    pub fn be_busy(self: Arc<Self>, over: CancellationToken) -> Vec<JoinHandle<()>> {
        let worker = |_| {
            let (crowd, over) = (Arc::clone(&self), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    crowd.act().await;
                }
            })
        };
        (0..WORKERS).map(worker).collect()
    }

    async fn act(&self) {
        let answer = match roll(20) {
            0..8 => self.send().await,
            8..11 => self.touch_a_message().await,
            11..14 => self.follow().await,
            14..16 => self.block().await,
            16..19 => self.update_profile().await,
            _ => self.auth.clone().register(self.next_registration()).await.map(drop),
        };
        match answer.map_err(|status| (status.code(), std::error::Error::source(&status).is_some())) {
            Ok(()) => drop(self.done.fetch_add(1, Ordering::Relaxed)),
            Err((Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown, _) | (_, true)) => {
                self.unreached.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(_) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
        }
    }

    async fn send(&self) -> Result<(), Status> {
        let (group, members) = &self.groups[roll(GROUPS)];
        let person = members[roll(members.len())];
        let message = SendMessageRequest {
            conversation_id: group.clone(),
            content: Some("some words".to_owned()),
            ..Default::default()
        };
        let sent = self.messaging.clone().send_message(self.request(person, message)).await?.into_inner();
        if let Some(message) = sent.message {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() >= RECENT {
                recent.swap_remove(roll(RECENT));
            }
            recent.push((message.id, person));
        }
        Ok(())
    }

    async fn touch_a_message(&self) -> Result<(), Status> {
        let chosen = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            (!recent.is_empty()).then(|| recent[roll(recent.len())].clone())
        };
        let Some((id, person)) = chosen else { return Ok(()) };
        let mut rpc = self.messaging.clone();
        match roll(3) {
            0 => {
                let edit = UpdateMessageRequest {
                    message_id: id,
                    updated_content: Some("other words".to_owned()),
                    ..Default::default()
                };
                rpc.update_message(self.request(person, edit)).await.map(drop)
            }
            1 => rpc.delete_message(self.request(person, DeleteMessageRequest { message_id: id })).await.map(drop),
            _ => {
                let read = MarkAsReadRequest { message_id: id, reader_id: String::new() };
                rpc.mark_as_read(self.request(person, read)).await.map(drop)
            }
        }
    }

    async fn follow(&self) -> Result<(), Status> {
        let (one, other) = self.pair();
        let (follower_id, followee_id) = (Some(self.people[one].id.clone()), self.people[other].id.clone());
        let mut rpc = self.user.clone();
        match roll(2) {
            0 => rpc.follow_user(self.request(one, FollowUserRequest { follower_id, followee_id })).await.map(drop),
            _ => rpc.unfollow_user(self.request(one, UnfollowUserRequest { follower_id, followee_id })).await.map(drop),
        }
    }

    async fn block(&self) -> Result<(), Status> {
        let (one, other) = self.pair();
        match roll(2) {
            0 => self.block_one(one, other).await,
            _ => self.unblock_one(one, other).await,
        }
    }

    async fn update_profile(&self) -> Result<(), Status> {
        let person = roll(PEOPLE);
        let update = UpdateUserProfileRequest {
            user_id: self.people[person].id.clone(),
            bio: Some(format!("likes {}", roll(1_000_000))),
            ..Default::default()
        };
        self.user.clone().update_user_profile(self.request(person, update)).await.map(drop)
    }

    /// Whether those who are blocked, and no others, are refused.
    pub async fn blocks_hold(&self, user: &mut PgConnection) -> anyhow::Result<Result<(), String>> {
        let blocks: Vec<(Uuid, Uuid)> =
            sqlx::query_as("SELECT blocker_id, blocked_id FROM blocks").fetch_all(user).await?;
        let blocks: HashSet<(String, String)> =
            blocks.into_iter().map(|(one, other)| (one.to_string(), other.to_string())).collect();
        let are_apart = |one: &Person, other: &Person| {
            let (one, other) = (one.id.clone(), other.id.clone());
            blocks.contains(&(one.clone(), other.clone())) || blocks.contains(&(other, one))
        };
        for ((one, other), talk) in &self.directs {
            let message = SendMessageRequest {
                conversation_id: talk.clone(),
                content: Some("still there?".to_owned()),
                ..Default::default()
            };
            let sent = self.messaging.clone().send_message(self.request(*one, message)).await;
            let is_refused = matches!(&sent, Err(status) if status.code() == Code::FailedPrecondition);
            if are_apart(&self.people[*one], &self.people[*other]) != is_refused || (sent.is_err() && !is_refused) {
                return Ok(Err(format!(
                    "a direct message that should be {}: {sent:?}",
                    if is_refused { "taken" } else { "refused" }
                )));
            }
        }
        Ok(Ok(()))
    }

    /// A direct conversation, and whose it is.
    pub fn direct(&self, n: usize) -> ((usize, usize), &str) {
        let (pair, talk) = &self.directs[n % self.directs.len()];
        (*pair, talk)
    }

    /// Lets one block another.
    pub async fn block_one(&self, one: usize, other: usize) -> Result<(), Status> {
        let (blocker_id, blocked_id) = (Some(self.people[one].id.clone()), self.people[other].id.clone());
        let block = BlockUserRequest { blocker_id, blocked_id };
        self.user.clone().block_user(self.request(one, block)).await.map(drop)
    }

    /// Takes it back.
    pub async fn unblock_one(&self, one: usize, other: usize) -> Result<(), Status> {
        let (blocker_id, blocked_id) = (Some(self.people[one].id.clone()), self.people[other].id.clone());
        let unblock = UnblockUserRequest { blocker_id, blocked_id };
        self.user.clone().unblock_user(self.request(one, unblock)).await.map(drop)
    }

    fn pair(&self) -> (usize, usize) {
        let one = roll(PEOPLE);
        (one, (one + 1 + roll(PEOPLE - 1)) % PEOPLE)
    }

    fn next_registration(&self) -> RegisterRequest {
        let n = self.registered.fetch_add(1, Ordering::Relaxed);
        RegisterRequest {
            username: format!("person{n}"),
            email: format!("person{n}@example.org"),
            password: "correct horse battery".to_owned(),
            display_name: None,
        }
    }

    /// A call as one of the people.
    pub fn request<T>(&self, person: usize, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.people[person].token.clone());
        request
    }
}

/// Calls until the services have found each other.
async fn insist<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    for _ in 0..100 {
        match call().await {
            Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answer => return answer,
        }
    }
    call().await
}
