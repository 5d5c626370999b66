//! Tables `user_keys` and `conversation_keys`: what contents are sealed with, wrapped.

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

/// The keys of a person and a conversation.
#[derive(Debug)]
pub struct WrappedKeys {
    /// Whose.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// The person's.
    pub of_user: UserKey,
    /// The conversation's, if it has one.
    pub of_conversation: Option<Vec<u8>>,
}

/// A person's key.
#[derive(Debug)]
pub enum UserKey {
    /// There is none yet.
    Missing,
    /// This, wrapped.
    Wrapped(Vec<u8>),
    /// It has been destroyed.
    Destroyed,
}

/// Reads the keys of people and conversations.
///
/// # Errors
/// If the database fails.
pub async fn find(conn: &mut PgConnection, of: &[(UserId, ConversationId)]) -> Result<Vec<WrappedKeys>, pg::Error> {
    let (users, conversations): (Vec<Uuid>, Vec<Uuid>) = of.iter().map(|(user, id)| (user.uuid(), id.uuid())).unzip();
    let rows = sqlx::query!(
        r#"SELECT p.user_id AS "user_id!", p.conversation_id AS "conversation_id!", u.wrapped AS "of_user?",
                  u.destroyed_at IS NOT NULL AS "is_destroyed!", c.wrapped AS "of_conversation?"
           FROM unnest($1::uuid[], $2::uuid[]) AS p (user_id, conversation_id)
           LEFT JOIN user_keys u ON u.user_id = p.user_id
           LEFT JOIN conversation_keys c ON c.conversation_id = p.conversation_id"#,
        &users,
        &conversations,
    )
    .fetch_all(conn)
    .await?;
    let keys = rows.into_iter().map(|row| WrappedKeys {
        user: row.user_id.into(),
        conversation: row.conversation_id.into(),
        of_user: match row.of_user {
            _ if row.is_destroyed => UserKey::Destroyed,
            Some(wrapped) => UserKey::Wrapped(wrapped),
            None => UserKey::Missing,
        },
        of_conversation: row.of_conversation,
    });
    Ok(keys.collect())
}

/// Stores a person's first key, unless they have one or had one.
///
/// # Errors
/// If the database fails.
pub async fn insert_user_key(
    conn: &mut PgConnection,
    user: UserId,
    wrapped: &[u8],
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "INSERT INTO user_keys (user_id, wrapped, created_at) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO NOTHING",
        user.uuid(),
        wrapped,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a conversation's key, unless it has one.
///
/// # Errors
/// If the database fails.
pub async fn insert_conversation_key(
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

/// Destroys a person's key for good, also if they have never had one.
///
/// # Errors
/// If the database fails.
pub async fn destroy_user_key(conn: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "INSERT INTO user_keys AS k (user_id, wrapped, created_at, destroyed_at) VALUES ($1, NULL, $2, $2)
         ON CONFLICT (user_id) DO UPDATE SET wrapped = NULL, destroyed_at = excluded.destroyed_at
         WHERE k.destroyed_at IS NULL",
        user.uuid(),
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
