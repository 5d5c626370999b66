//! A row of `messages`, and the columns of its content.

use chrono::{DateTime, Utc};
use pg::Corrupt;
use uuid::Uuid;

use crate::model::{Content, Encrypted, Kept, Message};

/// The columns of a message; all are NULL where an outer join found none.
#[derive(Debug)]
pub(super) struct MessageRow {
    pub id: Option<Uuid>,
    pub conversation_id: Option<Uuid>,
    pub sender_id: Option<Uuid>,
    pub sequence: Option<i64>,
    pub version: Option<i64>,
    pub client_message_id: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub encryption_version: Option<i32>,
    pub content: Option<String>,
    pub sealed: Option<Vec<u8>>,
    pub ciphertext: Option<Vec<u8>>,
    pub nonce: Option<Vec<u8>>,
}

impl MessageRow {
    /// The message, if there is one.
    pub fn message(self) -> Result<Option<Message>, Corrupt> {
        let Some(id) = self.id else { return Ok(None) };
        let missing =
            || Corrupt { table: "messages", column: "*", row: id.to_string(), fault: "a column is NULL".to_owned() };
        Ok(Some(Message {
            id: id.into(),
            conversation: self.conversation_id.ok_or_else(missing)?.into(),
            sender: self.sender_id.ok_or_else(missing)?.into(),
            content: content(self.content, self.sealed, self.ciphertext, self.nonce, self.encryption_version),
            sequence: self.sequence.ok_or_else(missing)?,
            client_id: self.client_message_id,
            created_at: self.created_at.ok_or_else(missing)?,
            updated_at: self.updated_at.ok_or_else(missing)?,
            deleted_at: self.deleted_at,
            version: self.version.ok_or_else(missing)?,
        }))
    }
}

/// Content from its columns; nothing for a deleted message.
pub(super) fn content(
    text: Option<String>,
    sealed: Option<Vec<u8>>,
    ciphertext: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    version: Option<i32>,
) -> Option<Content> {
    match (ciphertext, nonce, version, sealed) {
        (Some(ciphertext), Some(nonce), Some(version), _) => {
            Some(Content::Encrypted(Encrypted { ciphertext, nonce, version }))
        }
        (.., Some(sealed)) => Some(Content::Sealed(sealed)),
        // Written by a release that did not seal.
        _ => text.map(Content::Text),
    }
}

/// The columns that hold a content.
#[derive(Default)]
pub(super) struct ContentColumns<'a> {
    pub sealed: Option<&'a [u8]>,
    pub ciphertext: Option<&'a [u8]>,
    pub nonce: Option<&'a [u8]>,
    pub version: Option<i32>,
}

impl<'a> From<&'a Kept> for ContentColumns<'a> {
    fn from(kept: &'a Kept) -> Self {
        match kept {
            Kept::Sealed(sealed) => Self { sealed: Some(sealed), ..Self::default() },
            Kept::Encrypted(Encrypted { ciphertext, nonce, version }) => {
                Self { ciphertext: Some(ciphertext), nonce: Some(nonce), version: Some(*version), ..Self::default() }
            }
        }
    }
}
