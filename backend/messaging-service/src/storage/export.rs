//! What is held on a person, in pages. The one place that reads for who is no member any more: their own words.

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::message_row::MessageRow;
use super::unknown_code;
use crate::model::{Member, Message, Role};

/// A membership, also one that has ended.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Where.
    pub conversation: ConversationId,
    /// Who, and as what.
    pub member: Member,
    /// When it ended, if it did.
    pub left_at: Option<DateTime<Utc>>,
}

/// Memberships of a user in the order of the conversations, after one of them. One statement for those that last and those that
/// have ended, so that who leaves or comes back meanwhile is in one page, once.
///
/// # Errors
/// If the database fails.
pub async fn memberships(
    conn: &mut PgConnection,
    user: UserId,
    after: Option<ConversationId>,
    limit: i64,
) -> Result<Vec<Membership>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT m.conversation_id AS "conversation_id!", m.role AS "role!", m.joined_at AS "joined_at!", m.left_at,
                  m.last_read_sequence AS "last_read_sequence!"
           FROM (
               (SELECT * FROM members WHERE user_id = $1 AND left_at IS NULL AND conversation_id > $2
                ORDER BY conversation_id LIMIT $3)
               UNION ALL
               (SELECT * FROM members WHERE user_id = $1 AND left_at IS NOT NULL AND conversation_id > $2
                ORDER BY conversation_id LIMIT $3)) m
           ORDER BY m.conversation_id
           LIMIT $3"#,
        user.uuid(),
        after.map_or(Uuid::nil(), ConversationId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let role = Role::of_code(row.role).ok_or_else(|| unknown_code("members", "role", user, row.role))?;
        let member = Member { user, role, joined_at: row.joined_at, last_read_sequence: row.last_read_sequence };
        found.push(Membership { conversation: row.conversation_id.into(), member, left_at: row.left_at });
    }
    Ok(found)
}

/// Present members of a conversation by id, after one of them.
///
/// # Errors
/// If the database fails.
pub async fn members(
    conn: &mut PgConnection,
    conversation: ConversationId,
    after: UserId,
    limit: i64,
) -> Result<Vec<UserId>, pg::Error> {
    let found = sqlx::query_scalar!(
        "SELECT user_id FROM members WHERE conversation_id = $1 AND left_at IS NULL AND user_id > $2
         ORDER BY user_id LIMIT $3",
        conversation.uuid(),
        after.uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(UserId::from).collect())
}

/// What a user has sent in a conversation, deleted messages too, oldest first, after a sequence.
///
/// # Errors
/// If the database fails.
pub async fn own_messages(
    conn: &mut PgConnection,
    conversation: ConversationId,
    sender: UserId,
    after: i64,
    limit: i64,
) -> Result<Vec<Message>, pg::Error> {
    let rows = sqlx::query_as!(
        MessageRow,
        "SELECT m.id, m.conversation_id, m.sender_id, m.sequence, m.version, m.client_message_id, m.created_at,
                m.updated_at, m.deleted_at, m.encryption_version, m.content, m.sealed, m.ciphertext, m.nonce
         FROM messages m
         WHERE m.conversation_id = $1 AND m.sender_id = $2 AND m.sequence > $3
         ORDER BY m.sequence LIMIT $4",
        conversation.uuid(),
        sender.uuid(),
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        messages.extend(row.message()?);
    }
    Ok(messages)
}

/// A conversation that a user's client has asked for under an id of its own.
#[derive(Clone, Debug)]
pub struct ConversationRequest {
    /// The client's id.
    pub client_id: String,
    /// What it was answered with.
    pub conversation: ConversationId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Conversations that a user's clients have asked for, in the order of the clients' ids, after one of them.
///
/// # Errors
/// If the database fails.
pub async fn conversation_requests(
    conn: &mut PgConnection,
    user: UserId,
    after: &str,
    limit: i64,
) -> Result<Vec<ConversationRequest>, pg::Error> {
    let rows = sqlx::query_as!(
        ConversationRequest,
        r#"SELECT client_id, conversation_id AS conversation, created_at FROM creation_requests
           WHERE creator_id = $1 AND client_id > $2 ORDER BY client_id LIMIT $3"#,
        user.uuid(),
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
