//! One test's world: a database, any number of messaging services on it, and people who call them.

use std::time::Duration;

use chassis::config::Database;
use chassis::{Lifecycle, Running, Wiring};
use clock::{Clock, MockClock};
use ids::UserId;
use messaging_service::{Config, KEYS_MIGRATOR, MIGRATOR};
use protos::messaging::v1 as pb;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use testkit::{As, Authorized, TestDatabase, Tokens};
use tonic::{Response, Status};

use crate::users::FakeUsers;

pub type Client = MessagingServiceClient<Authorized>;

/// See the module.
pub struct World {
    pub database: TestDatabase,
    /// Of people's keys.
    pub keys: TestDatabase,
    pub users: FakeUsers,
    pub tokens: Tokens,
    pub clock: Clock,
    pub hands: MockClock,
    pub config: Config,
}

/// One running service.
pub struct Instance {
    pub life: Lifecycle,
    pub running: Running,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose services have another configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let database = TestDatabase::new(&MIGRATOR).await;
        let keys = TestDatabase::new(&KEYS_MIGRATOR).await;
        let (clock, hands) = testkit::mock_clock();
        let tokens = Tokens::new(clock.clone());
        let (users, address) = FakeUsers::start(&tokens).await;
        let mut config =
            Config { master_key: sealing::MasterKey::generate_base64().as_str().into(), ..Config::default() };
        config.rate_limits.enabled = false;
        config.listen.http_port = 0;
        config.listen.grpc_port = 0;
        config.listen.shutdown_grace = Duration::from_secs(2);
        // Limits have tests of their own; the others do at once what people do in a day.
        config.rate_limits.enabled = false;
        config.database = database.section();
        config.keys = Database { max_connections: 4, ..keys.section() };
        config.peers.auth_url = format!("http://{address}");
        config.peers.user_url = format!("http://{address}");
        change(&mut config);
        Self { database, keys, users, tokens, clock, hands, config }
    }

    /// Starts a service.
    pub async fn start(&self) -> Instance {
        let life = Lifecycle::new(self.clock.clone());
        let wiring = Wiring { verifier: Some(self.tokens.verifier()), ..Wiring::default() };
        let running = messaging_service::start(self.config.clone(), life.clone(), wiring).await.expect("it starts");
        running.readiness.ready().await;
        Instance { life, running }
    }

    /// A new person who calls `instance`.
    pub fn person(&self, instance: &Instance) -> Person {
        self.same_person(UserId::generate(self.clock.now()), instance)
    }

    /// A person who calls another instance.
    pub fn same_person(&self, id: UserId, instance: &Instance) -> Person {
        Person { id, rpc: client(instance, As::token(&self.tokens.person(id))) }
    }

    /// Some new people.
    pub fn people<const N: usize>(&self, instance: &Instance) -> [Person; N] {
        std::array::from_fn(|_| self.person(instance))
    }

    /// Lets the clock move on a little, so that what happens next is later.
    pub fn tick(&self) {
        self.hands.advance(Duration::from_millis(1));
    }
}

impl Instance {
    /// Stops it as SIGTERM does.
    pub async fn stop(self) {
        self.life.stop().await;
    }
}

/// A client of `instance` that calls as `who`.
pub fn client(instance: &Instance, who: As) -> Client {
    MessagingServiceClient::new(who.on(testkit::channel(instance.running.grpc)))
}

/// Unwraps a reply; a refusal is held against the rules for every status.
pub async fn call<T>(reply: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    match reply.await {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => {
            // What the client's own library says (the connection is gone, say) carries no details.
            if std::error::Error::source(&status).is_none() {
                testkit::check_status(&status);
            }
            Err(status)
        }
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub rpc: Client,
}

type Reply<T> = Result<T, Status>;

impl Person {
    pub async fn direct(&self, other: &Person) -> Reply<pb::Conversation> {
        let request = pb::CreateConversationRequest {
            r#type: pb::conversation::Type::Direct.into(),
            member_ids: vec![other.id.to_string()],
            ..Default::default()
        };
        self.create(request).await
    }

    pub async fn group(&self, name: &str, others: &[&Person]) -> Reply<pb::Conversation> {
        let request = pb::CreateConversationRequest {
            r#type: pb::conversation::Type::Group.into(),
            member_ids: others.iter().map(|p| p.id.to_string()).collect(),
            name: Some(name.to_owned()),
            ..Default::default()
        };
        self.create(request).await
    }

    pub async fn create(&self, request: pb::CreateConversationRequest) -> Reply<pb::Conversation> {
        let reply = call(self.rpc.clone().create_conversation(request)).await?;
        Ok(reply.conversation.expect("a conversation"))
    }

    pub async fn send(&self, conversation: &str, text: &str) -> Reply<pb::Message> {
        self.send_request(text_message(conversation, text, None)).await
    }

    pub async fn send_as(&self, conversation: &str, text: &str, client_id: &str) -> Reply<pb::Message> {
        self.send_request(text_message(conversation, text, Some(client_id))).await
    }

    pub async fn send_request(&self, request: pb::SendMessageRequest) -> Reply<pb::Message> {
        let reply = call(self.rpc.clone().send_message(request)).await?;
        Ok(reply.message.expect("a message"))
    }

    pub async fn edit(&self, message: &str, text: &str, expected_version: i64) -> Reply<pb::Message> {
        let request = pb::UpdateMessageRequest {
            message_id: message.to_owned(),
            updated_content: Some(text.to_owned()),
            expected_version,
            ..Default::default()
        };
        let reply = call(self.rpc.clone().update_message(request)).await?;
        Ok(reply.message.expect("a message"))
    }

    pub async fn delete(&self, message: &str) -> Reply<pb::DeleteMessageResponse> {
        call(self.rpc.clone().delete_message(pb::DeleteMessageRequest { message_id: message.to_owned() })).await
    }

    pub async fn read(&self, message: &str) -> Reply<i64> {
        let request = pb::MarkAsReadRequest { message_id: message.to_owned(), reader_id: self.id.to_string() };
        Ok(call(self.rpc.clone().mark_as_read(request)).await?.unread_count)
    }

    pub async fn message(&self, id: &str) -> Reply<pb::Message> {
        let request = pb::GetMessageRequest { message_id: id.to_owned() };
        Ok(call(self.rpc.clone().get_message(request)).await?.message.expect("a message"))
    }

    pub async fn messages(&self, request: pb::GetMessagesRequest) -> Reply<pb::GetMessagesResponse> {
        call(self.rpc.clone().get_messages(request)).await
    }

    /// Every message, deleted ones too, oldest first.
    pub async fn history(&self, conversation: &str) -> Reply<Vec<pb::Message>> {
        let mut request = pb::GetMessagesRequest {
            conversation_id: conversation.to_owned(),
            include_deleted: true,
            limit: 100,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let page = self.messages(request.clone()).await?;
            all.extend(page.messages);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                all.reverse();
                return Ok(all);
            }
        }
    }

    pub async fn conversation(&self, id: &str) -> Reply<pb::GetConversationResponse> {
        let request = pb::GetConversationRequest { conversation_id: id.to_owned() };
        call(self.rpc.clone().get_conversation(request)).await
    }

    pub async fn members(&self, id: &str) -> Reply<Vec<pb::Member>> {
        let request =
            pb::GetConversationMembersRequest { conversation_id: id.to_owned(), limit: 100, ..Default::default() };
        Ok(call(self.rpc.clone().get_conversation_members(request)).await?.members)
    }

    pub async fn list(&self, request: pb::ListConversationsRequest) -> Reply<pb::ListConversationsResponse> {
        call(self.rpc.clone().list_conversations(request)).await
    }

    pub async fn unread(&self, conversation: Option<&str>) -> Reply<i64> {
        let request = pb::GetUnreadCountRequest {
            user_id: self.id.to_string(),
            conversation_id: conversation.map(str::to_owned),
        };
        Ok(call(self.rpc.clone().get_unread_count(request)).await?.unread_count)
    }

    pub async fn rename(&self, id: &str, name: &str, expected_version: i64) -> Reply<pb::Conversation> {
        let request = pb::UpdateConversationRequest {
            conversation_id: id.to_owned(),
            name: Some(name.to_owned()),
            expected_version,
        };
        let reply = call(self.rpc.clone().update_conversation(request)).await?;
        Ok(reply.conversation.expect("a conversation"))
    }

    pub async fn add(&self, id: &str, users: &[&Person]) -> Reply<pb::AddMembersResponse> {
        let request = pb::AddMembersRequest {
            conversation_id: id.to_owned(),
            user_ids: users.iter().map(|p| p.id.to_string()).collect(),
        };
        call(self.rpc.clone().add_members(request)).await
    }

    pub async fn remove(&self, id: &str, user: &Person) -> Reply<()> {
        let request = pb::RemoveMemberRequest { conversation_id: id.to_owned(), user_id: user.id.to_string() };
        call(self.rpc.clone().remove_member(request)).await.map(|reply| assert!(reply.success))
    }

    pub async fn set_role(&self, id: &str, user: &Person, role: pb::member::Role) -> Reply<pb::Member> {
        let request = pb::UpdateMemberRoleRequest {
            conversation_id: id.to_owned(),
            user_id: user.id.to_string(),
            role: role.into(),
        };
        Ok(call(self.rpc.clone().update_member_role(request)).await?.member.expect("a member"))
    }
}

pub fn text_message(conversation: &str, text: &str, client_id: Option<&str>) -> pb::SendMessageRequest {
    pb::SendMessageRequest {
        conversation_id: conversation.to_owned(),
        content: Some(text.to_owned()),
        client_message_id: client_id.map(str::to_owned),
        ..Default::default()
    }
}
