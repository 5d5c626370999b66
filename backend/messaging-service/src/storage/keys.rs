//! Table `conversation_keys`, and the texts that have yet to be sealed. People's keys are in [`super::user_keys`].

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

/// Reads the keys, wrapped, of those conversations that have one.
///
/// # Errors
/// If the database fails.
pub async fn find(
    conn: &mut PgConnection,
    conversations: &[ConversationId],
) -> Result<Vec<(ConversationId, Vec<u8>)>, pg::Error> {
    let ids: Vec<Uuid> = conversations.iter().map(|id| id.uuid()).collect();
    let rows =
        sqlx::query!("SELECT conversation_id, wrapped FROM conversation_keys WHERE conversation_id = ANY ($1)", &ids)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.conversation_id.into(), row.wrapped)).collect())
}

/// Stores a conversation's key, unless it has one.
///
/// # Errors
/// If the database fails.
pub async fn insert(
    conn: &mut PgConnection,
    conversation: ConversationId,
    wrapped: &[u8],
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "INSERT INTO conversation_keys (conversation_id, wrapped, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (conversation_id) DO NOTHING",
        conversation.uuid(),
        wrapped,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A text that lies in clear.
#[derive(Debug)]
pub struct Unsealed {
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its place.
    pub sequence: i64,
    /// The message.
    pub id: ids::MessageId,
    /// Who wrote it.
    pub sender: UserId,
    /// The message's version.
    pub version: i64,
    /// The text.
    pub text: String,
}

/// Texts that a release before this one has written in clear.
///
/// # Errors
/// If the database fails.
pub async fn unsealed(conn: &mut PgConnection, limit: i64) -> Result<Vec<Unsealed>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT conversation_id, sequence, id, sender_id, version, content AS "text!" FROM messages
           WHERE content IS NOT NULL ORDER BY conversation_id, sequence LIMIT $1"#,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let unsealed = rows.into_iter().map(|row| Unsealed {
        conversation: row.conversation_id.into(),
        sequence: row.sequence,
        id: row.id.into(),
        sender: row.sender_id.into(),
        version: row.version,
        text: row.text,
    });
    Ok(unsealed.collect())
}

/// Puts a sealed text in the place of one in clear, unless the message has changed. What a retry is compared with was made
/// without a key, and goes too: a retry with the same client id is taken for the same message from then on.
///
/// # Errors
/// If the database fails.
pub async fn seal(conn: &mut PgConnection, of: &Unsealed, sealed: &[u8]) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE messages SET content = NULL, sealed = $4, content_hash = NULL
         WHERE conversation_id = $1 AND sequence = $2 AND version = $3 AND content IS NOT NULL",
        of.conversation.uuid(),
        of.sequence,
        of.version,
        sealed,
    )
    .execute(conn)
    .await?;
    Ok(())
}
