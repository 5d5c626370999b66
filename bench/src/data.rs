//! People and conversations to measure with, and the check of what was written.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};
use protos::auth::v1::RegisterRequest;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{CreateConversationRequest, GetMessagesRequest, SendMessageRequest, conversation};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use crate::nova::Nova;

/// How many people there are.
const PEOPLE: usize = 64;
/// Groups; each person is in every one of their own size class.
const GROUPS: usize = 32;
/// Messages in each conversation before measuring.
const HISTORY: usize = 100;

/// Somebody who is logged in.
pub struct Person {
    /// Who.
    pub id: String,
    token: MetadataValue<Ascii>,
}

impl Person {
    /// A call as this person.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    /// A GET over HTTP/1.1 as this person.
    pub fn get(&self, path: &str) -> String {
        let token = self.token.to_str().unwrap_or_default();
        format!("GET {path} HTTP/1.1\r\nhost: nova\r\nauthorization: {token}\r\n\r\n")
    }
}

/// A conversation, with one of its members.
pub struct Talk {
    /// Which.
    pub id: String,
    /// An index into the people.
    pub member: usize,
}

/// What is measured on.
#[derive(Clone)]
pub struct Data {
    /// The people.
    pub people: Arc<Vec<Person>>,
    /// Direct conversations of neighbours.
    pub direct: Arc<Vec<Talk>>,
    /// Groups of eight.
    pub groups: Arc<Vec<Talk>>,
    /// Ids of all messages that were acknowledged.
    pub acknowledged: Arc<Mutex<Vec<String>>>,
}

impl Data {
    /// Makes people and conversations through the API.
    pub async fn make(nova: &Nova) -> anyhow::Result<Self> {
        let channel = nova.channels(1).await?.remove(0);
        let mut people = vec![];
        for n in 0..PEOPLE {
            let register = RegisterRequest {
                username: format!("person{n}"),
                email: format!("person{n}@example.org"),
                password: "correct horse battery".to_owned(),
                display_name: Some(format!("Person {n}")),
            };
            let answer = AuthServiceClient::new(channel.clone()).register(register).await?.into_inner();
            let tokens = answer.tokens.context("tokens")?;
            people.push(Person {
                id: answer.user.context("user")?.id,
                token: format!("Bearer {}", tokens.access_token).parse()?,
            });
        }
        let mut messaging = MessagingServiceClient::new(channel);
        let (mut direct, mut groups) = (vec![], vec![]);
        for n in 0..PEOPLE {
            let create = CreateConversationRequest {
                r#type: conversation::Type::Direct.into(),
                member_ids: vec![people[(n + 1) % PEOPLE].id.clone()],
                ..Default::default()
            };
            let made = messaging.create_conversation(people[n].request(create)).await?.into_inner();
            direct.push(Talk { id: made.conversation.context("conversation")?.id, member: n });
        }
        for n in 0..GROUPS {
            let create = CreateConversationRequest {
                r#type: conversation::Type::Group.into(),
                member_ids: (1..8).map(|m| people[(n + m) % PEOPLE].id.clone()).collect(),
                name: Some(format!("Group {n}")),
                ..Default::default()
            };
            let made = messaging.create_conversation(people[n].request(create)).await?.into_inner();
            groups.push(Talk { id: made.conversation.context("conversation")?.id, member: n });
        }
        let acknowledged = Arc::default();
        let data = Self { people: Arc::new(people), direct: Arc::new(direct), groups: Arc::new(groups), acknowledged };
        for talk in data.direct.iter().chain(data.groups.iter()) {
            for _ in 0..HISTORY {
                let send = data.message(talk);
                let sent = messaging.send_message(data.people[talk.member].request(send)).await?.into_inner();
                data.acknowledge(sent.message.context("message")?.id);
            }
        }
        Ok(data)
    }

    /// A message of forty bytes.
    pub fn message(&self, talk: &Talk) -> SendMessageRequest {
        SendMessageRequest {
            conversation_id: talk.id.clone(),
            sender_id: self.people[talk.member].id.clone(),
            content: Some("forty bytes of text, more or less: hello".to_owned()),
            ..Default::default()
        }
    }

    /// Notes that the service has said that it has a message.
    pub fn acknowledge(&self, message_id: String) {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(message_id);
    }

    /// Reads every conversation to its end and compares.
    pub async fn check(&self, nova: &Nova) -> anyhow::Result<usize> {
        let mut messaging = MessagingServiceClient::new(nova.channels(1).await?.remove(0));
        let mut found = HashSet::new();
        for talk in self.direct.iter().chain(self.groups.iter()) {
            let mut page_token = String::new();
            let mut expected = None;
            loop {
                let page = GetMessagesRequest {
                    conversation_id: talk.id.clone(),
                    limit: 100,
                    page_token,
                    ..Default::default()
                };
                let page = messaging.get_messages(self.people[talk.member].request(page)).await?.into_inner();
                for message in page.messages {
                    ensure!(
                        expected.is_none_or(|n| n == message.sequence),
                        "a gap or a repeat at {}",
                        message.sequence
                    );
                    expected = Some(message.sequence - 1);
                    ensure!(found.insert(message.id), "a message came twice");
                }
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            ensure!(expected == Some(0), "the first message is missing");
        }
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(acknowledged.iter().all(|id| found.contains(id)), "an acknowledged message is missing");
        Ok(found.len())
    }
}
