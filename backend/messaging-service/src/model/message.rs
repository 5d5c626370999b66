//! Messages.

use chrono::{DateTime, Utc};
use ids::{ConversationId, MessageId, UserId};

use super::Content;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation that it belongs to.
    pub conversation: ConversationId,
    /// Who sent it.
    pub sender: UserId,
    /// What it says; nothing when it is deleted.
    pub content: Option<Content>,
    /// Its place in the conversation, from 1 without gap or repeat.
    pub sequence: i64,
    /// The id that the sender's client gave it.
    pub client_id: Option<String>,
    /// When it was sent.
    pub created_at: DateTime<Utc>,
    /// When it was last edited or deleted.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Grows by 1 with each edit and the deletion.
    pub version: i64,
}

impl Message {
    /// How many bytes its content has.
    pub fn content_bytes(&self) -> usize {
        self.content.as_ref().map_or(0, Content::bytes)
    }
}
