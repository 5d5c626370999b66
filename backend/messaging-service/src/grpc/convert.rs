//! Wire ↔ model: the only place that knows both. Violations name the field as the client wrote it.

use errors::FieldExt;
use ids::{ConversationId, MessageId, UserId};
use protos::messaging::v1 as pb;

use super::Fault;
use crate::app::conversations::{ConversationPage, ListConversations, UpdateConversation};
use crate::app::events::StreamEvents;
use crate::app::members::MemberPage;
use crate::app::messages::{GetMessages, UpdateMessage};
use crate::app::send::SendMessage;
use crate::model::{
    ClientId, Content, Conversation, ConversationView, Cursor, Encrypted, GroupName, Kind, Limits, Member, Message,
    Opening, Role,
};

pub(super) fn message_id(text: &str) -> Result<MessageId, Fault> {
    Ok(MessageId::parse(text).field("message_id")?)
}

pub(super) fn conversation_id(text: &str) -> Result<ConversationId, Fault> {
    Ok(ConversationId::parse(text).field("conversation_id")?)
}

pub(super) fn optional_conversation_id(text: Option<&str>) -> Result<Option<ConversationId>, Fault> {
    text.map(conversation_id).transpose()
}

pub(super) fn user_id(text: &str, field: &str) -> Result<UserId, Fault> {
    Ok(UserId::parse(text).field(field)?)
}

pub(super) fn optional_user_id(text: &str, field: &str) -> Result<Option<UserId>, Fault> {
    if text.is_empty() { Ok(None) } else { user_id(text, field).map(Some) }
}

/// Nothing means the caller: the field is empty or says so.
pub(super) fn id_or_me(text: &str, field: &str) -> Result<Option<UserId>, Fault> {
    if text == "me" { Ok(None) } else { optional_user_id(text, field) }
}

fn expected_version(version: i64) -> Result<Option<i64>, Fault> {
    match version {
        0 => Ok(None),
        1.. => Ok(Some(version)),
        ..0 => Err(violation("expected_version", "must not be negative")),
    }
}

fn violation(field: &str, description: &str) -> Fault {
    errors::FieldViolation::new(field, description).into()
}

fn client_id(text: Option<String>, field: &str) -> Result<Option<ClientId>, Fault> {
    Ok(text.map(ClientId::parse).transpose().field(field)?)
}

fn content(
    text: Option<String>,
    encrypted: Option<pb::EncryptedContent>,
    text_field: &'static str,
    limits: &Limits,
) -> Result<Content, Fault> {
    let encrypted =
        encrypted.map(|e| Encrypted { ciphertext: e.ciphertext, nonce: e.nonce, version: e.encryption_version });
    Content::parse(text, encrypted, limits).map_err(|error| violation(error.path(text_field), &error.to_string()))
}

pub(super) fn get_messages(r: pb::GetMessagesRequest) -> Result<GetMessages, Fault> {
    if r.before_sequence.is_some_and(|before| before < 1) {
        return Err(violation("before_sequence", "must be at least 1"));
    }
    if r.after_sequence.is_some_and(|after| after < 0) {
        return Err(violation("after_sequence", "must not be negative"));
    }
    Ok(GetMessages {
        conversation: conversation_id(&r.conversation_id)?,
        limit: r.limit,
        offset: r.offset,
        page_token: r.page_token,
        include_deleted: r.include_deleted,
        before: r.before_sequence,
        after: r.after_sequence,
    })
}

pub(super) fn send_message(r: pb::SendMessageRequest, limits: &Limits) -> Result<SendMessage, Fault> {
    Ok(SendMessage {
        conversation: conversation_id(&r.conversation_id)?,
        sender: id_or_me(&r.sender_id, "sender_id")?,
        content: content(r.content, r.encrypted, "content", limits)?,
        client_id: client_id(r.client_message_id, "client_message_id")?,
    })
}

pub(super) fn update_message(r: pb::UpdateMessageRequest, limits: &Limits) -> Result<UpdateMessage, Fault> {
    Ok(UpdateMessage {
        id: message_id(&r.message_id)?,
        content: content(r.updated_content, r.encrypted, "updated_content", limits)?,
        expected_version: expected_version(r.expected_version)?,
    })
}

pub(super) fn list_conversations(r: pb::ListConversationsRequest) -> Result<ListConversations, Fault> {
    Ok(ListConversations {
        user: id_or_me(&r.user_id, "user_id")?,
        limit: r.limit,
        offset: r.offset,
        page_token: r.page_token,
    })
}

pub(super) fn create_conversation(
    r: pb::CreateConversationRequest,
    creator: UserId,
    limits: &Limits,
) -> Result<(Opening, Option<ClientId>), Fault> {
    let max_others = limits.group_members.saturating_sub(1);
    let others = people(&r.member_ids, "member_ids", limits.group_members)?;
    let others: Vec<UserId> = others.into_iter().filter(|user| *user != creator).collect();
    let name = r.name.filter(|name| !name.is_empty());
    let opening = match pb::conversation::Type::try_from(r.r#type) {
        Ok(pb::conversation::Type::Direct) => {
            let [other] = others[..] else {
                return Err(violation("member_ids", "must name exactly one other person for a DIRECT conversation"));
            };
            if name.is_some() {
                return Err(violation("name", "must be empty for a DIRECT conversation"));
            }
            Opening::Direct(other)
        }
        Ok(pb::conversation::Type::Group) if others.len() > max_others => {
            return Err(violation("member_ids", &format!("must name at most {max_others} other people")));
        }
        Ok(pb::conversation::Type::Group) => {
            Opening::Group(GroupName::parse(&name.unwrap_or_default()).field("name")?, others)
        }
        Ok(pb::conversation::Type::Unspecified) | Err(_) => {
            return Err(violation("type", "must be DIRECT or GROUP"));
        }
    };
    Ok((opening, client_id(r.client_conversation_id, "client_conversation_id")?))
}

pub(super) fn update_conversation(r: pb::UpdateConversationRequest) -> Result<UpdateConversation, Fault> {
    Ok(UpdateConversation {
        id: conversation_id(&r.conversation_id)?,
        name: r.name.map(|name| GroupName::parse(&name)).transpose().field("name")?,
        expected_version: expected_version(r.expected_version)?,
    })
}

pub(super) fn add_members(r: &pb::AddMembersRequest, limits: &Limits) -> Result<(ConversationId, Vec<UserId>), Fault> {
    let id = conversation_id(&r.conversation_id)?;
    if r.user_ids.is_empty() {
        return Err(violation("user_ids", "must name at least one person"));
    }
    Ok((id, people(&r.user_ids, "user_ids", limits.batch)?))
}

/// Ids without repeats, in the order of the ids.
fn people(texts: &[String], field: &str, max: usize) -> Result<Vec<UserId>, Fault> {
    if texts.len() > max {
        return Err(violation(field, &format!("must name at most {max} people")));
    }
    let mut users = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        users.push(user_id(text, &format!("{field}[{i}]"))?);
    }
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

pub(super) fn role(role: i32) -> Result<Role, Fault> {
    match pb::member::Role::try_from(role) {
        Ok(pb::member::Role::Owner) => Ok(Role::Owner),
        Ok(pb::member::Role::Admin) => Ok(Role::Admin),
        Ok(pb::member::Role::Member) => Ok(Role::Member),
        Ok(pb::member::Role::Unspecified) | Err(_) => Err(violation("role", "must be OWNER, ADMIN or MEMBER")),
    }
}

pub(super) fn stream_events(r: &pb::StreamEventsRequest, limits: &Limits) -> Result<StreamEvents, Fault> {
    if r.conversation_ids.len() > limits.batch {
        return Err(violation("conversation_ids", &format!("must name at most {} conversations", limits.batch)));
    }
    let mut only = Vec::with_capacity(r.conversation_ids.len());
    for (i, text) in r.conversation_ids.iter().enumerate() {
        only.push(ConversationId::parse(text).field(&format!("conversation_ids[{i}]"))?);
    }
    // A header without a value and a parameter without one say that there is no cursor.
    let cursor = r.cursor.as_deref().filter(|text| !text.is_empty()).map(Cursor::parse).transpose();
    Ok(StreamEvents { cursor: cursor.field("cursor").map_err(Fault::Cursor)?, only })
}

impl From<Message> for pb::Message {
    fn from(m: Message) -> Self {
        let is_erased = matches!(m.content, Some(Content::Erased));
        let (content, encrypted) = match m.content {
            Some(Content::Text(text)) => (text, None),
            Some(Content::Encrypted(e)) => {
                let Encrypted { ciphertext, nonce, version } = e;
                (String::new(), Some(pb::EncryptedContent { ciphertext, nonce, encryption_version: version }))
            }
            // What is sealed has been opened by the vault; if not, nobody is shown it.
            None | Some(Content::Sealed(_) | Content::Erased) => (String::new(), None),
        };
        Self {
            id: m.id.to_string(),
            conversation_id: m.conversation.to_string(),
            sender_id: m.sender.to_string(),
            content,
            encrypted,
            sequence: m.sequence,
            client_message_id: m.client_id,
            created_at: clock::rfc3339(m.created_at),
            updated_at: clock::rfc3339(m.updated_at),
            deleted_at: m.deleted_at.map(clock::rfc3339),
            version: m.version,
            erased: is_erased,
        }
    }
}

impl From<Conversation> for pb::Conversation {
    fn from(c: Conversation) -> Self {
        let kind = match c.kind {
            Kind::Direct => pb::conversation::Type::Direct,
            Kind::Group => pb::conversation::Type::Group,
        };
        Self {
            id: c.id.to_string(),
            r#type: kind.into(),
            name: c.name,
            member_ids: c.member_ids.iter().map(ToString::to_string).collect(),
            member_count: c.member_count,
            created_by: c.created_by.to_string(),
            last_sequence: c.last_sequence,
            created_at: clock::rfc3339(c.created_at),
            updated_at: clock::rfc3339(c.updated_at),
            deleted_at: c.deleted_at.map(clock::rfc3339),
            version: c.version,
        }
    }
}

impl From<ConversationView> for pb::ConversationView {
    fn from(view: ConversationView) -> Self {
        Self {
            conversation: Some(view.conversation.into()),
            unread_count: view.unread,
            last_message: view.last_message.map(pb::Message::from),
        }
    }
}

impl From<ConversationView> for pb::GetConversationResponse {
    fn from(view: ConversationView) -> Self {
        Self {
            conversation: Some(view.conversation.into()),
            unread_count: view.unread,
            last_message: view.last_message.map(pb::Message::from),
        }
    }
}

impl From<ConversationPage> for pb::ListConversationsResponse {
    fn from(page: ConversationPage) -> Self {
        Self {
            conversations: page.conversations.into_iter().map(pb::ConversationView::from).collect(),
            total_count: page.total_count,
            next_page_token: page.next_page_token,
        }
    }
}

impl From<Member> for pb::Member {
    fn from(member: Member) -> Self {
        let role = match member.role {
            Role::Owner => pb::member::Role::Owner,
            Role::Admin => pb::member::Role::Admin,
            Role::Member => pb::member::Role::Member,
        };
        Self {
            user_id: member.user.to_string(),
            role: role.into(),
            joined_at: clock::rfc3339(member.joined_at),
            last_read_sequence: member.last_read_sequence,
        }
    }
}

impl From<MemberPage> for pb::GetConversationMembersResponse {
    fn from(page: MemberPage) -> Self {
        let members: Vec<pb::Member> = page.members.into_iter().map(pb::Member::from).collect();
        Self {
            user_ids: members.iter().map(|member| member.user_id.clone()).collect(),
            members,
            total_members: page.total,
            next_page_token: page.next_page_token,
        }
    }
}
