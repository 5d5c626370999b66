//! Read markers and unread counts. Every count comes from the SQL function `unread_v1`, so all RPCs tell the same.

use chrono::{DateTime, Utc};
use ids::{ConversationId, MessageId, UserId};
use sqlx::PgConnection;

/// A marker that is at a message or beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// What is unread behind it.
    pub unread: i64,
    /// Whether it moved, which was noted in the log.
    pub moved: bool,
}

/// Moves the reader's marker to a message, never back, and counts what is left; nothing if they are no member. All members
/// are told in conversations of up to `told_up_to`, else only the reader.
///
/// # Errors
/// If the database fails.
pub async fn mark_read(
    conn: &mut PgConnection,
    message: MessageId,
    reader: UserId,
    told_up_to: i32,
    now: DateTime<Utc>,
) -> Result<Option<Marked>, pg::Error> {
    let row = sqlx::query!(
        r#"SELECT r_unread AS "unread!", r_moved AS "moved!" FROM mark_read_v2($1, $2, $3, $4, $5)"#,
        message.uuid(),
        reader.uuid(),
        told_up_to,
        super::events::traceparent(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Marked { unread: row.unread, moved: row.moved }))
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
