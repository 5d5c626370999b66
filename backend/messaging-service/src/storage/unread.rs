//! Read markers and unread counts. Every count comes from the SQL function `unread_v1`, so all RPCs tell the same.

use ids::{ConversationId, MessageId, UserId};
use sqlx::PgConnection;

/// Moves the reader's marker to a message, never back, and counts what is left; nothing if they are no member.
///
/// # Errors
/// If the database fails.
pub async fn mark_read(conn: &mut PgConnection, message: MessageId, reader: UserId) -> Result<Option<i64>, pg::Error> {
    let unread = sqlx::query_scalar!(
        r#"WITH read AS (
               SELECT m.conversation_id, m.sequence, c.last_sequence, mb.last_read_sequence
               FROM messages m
               JOIN conversations c ON c.id = m.conversation_id AND c.deleted_at IS NULL
               JOIN members mb ON mb.conversation_id = m.conversation_id AND mb.user_id = $2 AND mb.left_at IS NULL
               WHERE m.id = $1),
           moved AS (
               UPDATE members mb SET last_read_sequence = read.sequence
               FROM read
               WHERE mb.conversation_id = read.conversation_id AND mb.user_id = $2 AND mb.left_at IS NULL
                 AND mb.last_read_sequence < read.sequence)
           SELECT u.unread AS "unread!"
           FROM read
           CROSS JOIN LATERAL unread_v1(read.conversation_id, $2, read.last_sequence,
                                        GREATEST(read.sequence, read.last_read_sequence)) u"#,
        message.uuid(),
        reader.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(unread)
}

/// What is unread in one conversation; nothing if the reader is no member.
///
/// # Errors
/// If the database fails.
pub async fn count_in(
    conn: &mut PgConnection,
    conversation: ConversationId,
    reader: UserId,
) -> Result<Option<i64>, pg::Error> {
    let unread = sqlx::query_scalar!(
        r#"SELECT u.unread AS "unread!"
           FROM members mb
           JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
           CROSS JOIN LATERAL unread_v1(c.id, mb.user_id, c.last_sequence, mb.last_read_sequence) u
           WHERE mb.conversation_id = $1 AND mb.user_id = $2 AND mb.left_at IS NULL"#,
        conversation.uuid(),
        reader.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(unread)
}

/// What is unread in all of the reader's conversations.
///
/// # Errors
/// If the database fails.
pub async fn count_all(conn: &mut PgConnection, reader: UserId) -> Result<i64, pg::Error> {
    let unread = sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(u.unread), 0)::bigint AS "unread!"
           FROM members mb
           JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
                                AND c.last_sequence > mb.last_read_sequence
           CROSS JOIN LATERAL unread_v1(c.id, mb.user_id, c.last_sequence, mb.last_read_sequence) u
           WHERE mb.user_id = $1 AND mb.left_at IS NULL"#,
        reader.uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(unread)
}
