//! Table `messages`: pages, single messages, edits and deletions. New ones come in by `storage::send`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use ids::{ConversationId, MessageId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::message_row::{ContentColumns, MessageRow, content};
use super::unknown_code;
use crate::model::{Kept, Kind, Message, Role};

/// Which messages of a conversation a page holds.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Only smaller sequences.
    pub before: i64,
    /// Only larger sequences.
    pub after: i64,
    /// Deleted ones too.
    pub include_deleted: bool,
    /// How many to pass over.
    pub offset: i64,
    /// How many at most.
    pub limit: i64,
}

/// A page of messages with the conversation's totals.
#[derive(Debug)]
pub struct MessagePage {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// Messages that are not deleted.
    pub live_count: i64,
    /// All messages.
    pub last_sequence: i64,
}

/// Reads a page for `reader`; nothing if they are no member.
///
/// # Errors
/// If the database fails.
pub async fn page_of(
    conn: &mut PgConnection,
    conversation: ConversationId,
    reader: UserId,
    range: Range,
) -> Result<Option<MessagePage>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT c.live_count, c.last_sequence,
                  m.id AS "id?", m.sender_id AS "sender_id?", m.sequence AS "sequence?", m.version AS "version?",
                  m.client_message_id AS "client_message_id?", m.created_at AS "created_at?",
                  m.updated_at AS "updated_at?", m.deleted_at AS "deleted_at?",
                  m.encryption_version AS "encryption_version?", m.content AS "content?", m.sealed AS "sealed?",
                  m.ciphertext AS "ciphertext?", m.nonce AS "nonce?"
           FROM members mb
           JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
           LEFT JOIN LATERAL (
               SELECT * FROM messages m
               WHERE m.conversation_id = mb.conversation_id AND m.sequence < $3 AND m.sequence > $4
                 AND ($5 OR m.deleted_at IS NULL)
               ORDER BY m.sequence DESC
               LIMIT $6 OFFSET $7) m ON true
           WHERE mb.conversation_id = $1 AND mb.user_id = $2 AND mb.left_at IS NULL
           ORDER BY m.sequence DESC"#,
        conversation.uuid(),
        reader.uuid(),
        range.before,
        range.after,
        range.include_deleted,
        range.limit,
        range.offset,
    )
    .fetch_all(conn)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (live_count, last_sequence) = (first.live_count, first.last_sequence);
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        let row = MessageRow {
            id: row.id,
            conversation_id: Some(conversation.uuid()),
            sender_id: row.sender_id,
            sequence: row.sequence,
            version: row.version,
            client_message_id: row.client_message_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            encryption_version: row.encryption_version,
            content: row.content,
            sealed: row.sealed,
            ciphertext: row.ciphertext,
            nonce: row.nonce,
        };
        messages.extend(row.message()?);
    }
    Ok(Some(MessagePage { messages, live_count, last_sequence }))
}

/// Reads a live message for `reader`; nothing if they are no member of its conversation.
///
/// # Errors
/// If the database fails.
pub async fn find_live(conn: &mut PgConnection, id: MessageId, reader: UserId) -> Result<Option<Message>, pg::Error> {
    let row = sqlx::query_as!(
        MessageRow,
        "SELECT m.id, m.conversation_id, m.sender_id, m.sequence, m.version, m.client_message_id, m.created_at,
                m.updated_at, m.deleted_at, m.encryption_version, m.content, m.sealed, m.ciphertext, m.nonce
         FROM messages m
         JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
         JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = $2 AND mb.left_at IS NULL
         WHERE m.id = $1 AND m.deleted_at IS NULL",
        id.uuid(),
        reader.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(MessageRow::message).transpose()?.flatten())
}

/// Reads messages, deleted ones too, by their places; for a reader, only those of conversations that they are a member of
/// now.
///
/// # Errors
/// If the database fails.
pub async fn find_many(
    conn: &mut PgConnection,
    places: &[(ConversationId, i64)],
    reader: Option<UserId>,
) -> Result<HashMap<(ConversationId, i64), Message>, pg::Error> {
    let (conversations, sequences): (Vec<Uuid>, Vec<i64>) = places.iter().map(|(id, seq)| (id.uuid(), *seq)).unzip();
    let rows = sqlx::query_as!(
        MessageRow,
        "SELECT m.id, m.conversation_id, m.sender_id, m.sequence, m.version, m.client_message_id, m.created_at,
                m.updated_at, m.deleted_at, m.encryption_version, m.content, m.sealed, m.ciphertext, m.nonce
         FROM unnest($1::uuid[], $2::bigint[]) AS p (conversation_id, sequence)
         JOIN messages m ON m.conversation_id = p.conversation_id AND m.sequence = p.sequence
         WHERE $3::uuid IS NULL OR EXISTS (
             SELECT FROM members mb
             WHERE mb.conversation_id = p.conversation_id AND mb.user_id = $3 AND mb.left_at IS NULL)",
        &conversations,
        &sequences,
        reader.map(UserId::uuid),
    )
    .fetch_all(conn)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(message) = row.message()? {
            found.insert((message.conversation, message.sequence), message);
        }
    }
    Ok(found)
}

/// Reads what a client id stands for, whether deleted or not; nothing if the sender is no member.
///
/// # Errors
/// If the database fails.
pub async fn find_by_client_id(
    conn: &mut PgConnection,
    conversation: ConversationId,
    sender: UserId,
    client_id: &str,
) -> Result<Option<(Message, Option<Vec<u8>>)>, pg::Error> {
    let row = sqlx::query!(
        "SELECT m.id, m.sequence, m.version, m.client_message_id, m.created_at, m.updated_at, m.deleted_at,
                m.encryption_version, m.content, m.sealed, m.ciphertext, m.nonce, m.content_hash
         FROM messages m
         JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
         JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = m.sender_id AND mb.left_at IS NULL
         WHERE m.conversation_id = $1 AND m.sender_id = $2 AND m.client_message_id = $3",
        conversation.uuid(),
        sender.uuid(),
        client_id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| {
        let message = Message {
            id: row.id.into(),
            conversation,
            sender,
            content: content(row.content, row.sealed, row.ciphertext, row.nonce, row.encryption_version),
            sequence: row.sequence,
            client_id: row.client_message_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            version: row.version,
        };
        (message, row.content_hash)
    }))
}

/// The conversation of a live message that `sender` has sent.
///
/// # Errors
/// If the database fails.
pub async fn conversation_of_own(
    conn: &mut PgConnection,
    id: MessageId,
    sender: UserId,
) -> Result<Option<ConversationId>, pg::Error> {
    let id = sqlx::query_scalar!(
        "SELECT conversation_id FROM messages WHERE id = $1 AND sender_id = $2 AND deleted_at IS NULL",
        id.uuid(),
        sender.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(ConversationId::from))
}

/// A message and what a member may do with it, under the lock of its conversation.
#[derive(Debug)]
pub struct LockedMessage {
    /// Its conversation.
    pub conversation: ConversationId,
    /// The conversation's kind.
    pub kind: Kind,
    /// The member's role.
    pub role: Role,
    /// Its place in the conversation.
    pub sequence: i64,
    /// Who sent it.
    pub sender: UserId,
    /// Its version.
    pub version: i64,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Locks a message's conversation and reads the message for `member`; nothing if they are no member.
///
/// The lock comes first: what is read then is what the last writer left.
///
/// # Errors
/// If the database fails.
pub async fn lock(conn: &mut PgConnection, id: MessageId, member: UserId) -> Result<Option<LockedMessage>, pg::Error> {
    let locked = sqlx::query_scalar!(
        r#"SELECT 1 AS "one!" FROM conversations c
           WHERE c.id = (
               SELECT m.conversation_id FROM messages m
               JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = $2 AND mb.left_at IS NULL
               WHERE m.id = $1)
           FOR NO KEY UPDATE"#,
        id.uuid(),
        member.uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if locked.is_none() {
        return Ok(None);
    }
    let row = sqlx::query!(
        "SELECT m.conversation_id, c.kind, mb.role, m.sequence, m.sender_id, m.version, m.deleted_at
         FROM messages m
         JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
         JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = $2 AND mb.left_at IS NULL
         WHERE m.id = $1",
        id.uuid(),
        member.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(LockedMessage {
        conversation: row.conversation_id.into(),
        kind: Kind::of_code(row.kind)
            .ok_or_else(|| unknown_code("conversations", "kind", row.conversation_id, row.kind))?,
        role: Role::of_code(row.role).ok_or_else(|| unknown_code("members", "role", member, row.role))?,
        sequence: row.sequence,
        sender: row.sender_id.into(),
        version: row.version,
        deleted_at: row.deleted_at,
    }))
}

/// Replaces a live message's content if its version is still `version`.
///
/// # Errors
/// If the database fails.
pub async fn edit(
    conn: &mut PgConnection,
    conversation: ConversationId,
    sequence: i64,
    version: i64,
    content: &Kept,
    now: DateTime<Utc>,
) -> Result<Option<Message>, pg::Error> {
    let new = ContentColumns::from(content);
    let row = sqlx::query_as!(
        MessageRow,
        "UPDATE messages
         SET content = NULL, sealed = $4, ciphertext = $5, nonce = $6, encryption_version = $7, version = version + 1, updated_at = $8
         WHERE conversation_id = $1 AND sequence = $2 AND version = $3 AND deleted_at IS NULL
         RETURNING id, conversation_id, sender_id, sequence, version, client_message_id, created_at, updated_at,
                   deleted_at, encryption_version, content, sealed, ciphertext, nonce",
        conversation.uuid(),
        sequence,
        version,
        new.sealed,
        new.ciphertext,
        new.nonce,
        new.version,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(MessageRow::message).transpose()?.flatten())
}

/// Deletes a live message: wipes its content and counts it off. The conversation's lock must be held.
///
/// # Errors
/// If the database fails.
pub async fn wipe(
    conn: &mut PgConnection,
    conversation: ConversationId,
    sequence: i64,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "WITH wiped AS (
             UPDATE messages
             SET content = NULL, sealed = NULL, ciphertext = NULL, nonce = NULL, encryption_version = NULL, content_hash = NULL,
                 version = version + 1, updated_at = $3, deleted_at = $3
             WHERE conversation_id = $1 AND sequence = $2 AND deleted_at IS NULL
             RETURNING 1)
         UPDATE conversations SET live_count = live_count - 1 WHERE id = $1 AND EXISTS (SELECT FROM wiped)",
        conversation.uuid(),
        sequence,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
