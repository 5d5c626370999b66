//! Conversations as one member sees them: with the unread count and the newest live message, in one round trip.

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::message_row::MessageRow;
use super::unknown_code;
use crate::model::{Conversation, ConversationView, Kind};

#[derive(Debug)]
struct ViewRow {
    total: i64,
    id: Option<Uuid>,
    kind: Option<i16>,
    name: Option<String>,
    member_ids: Option<Vec<Uuid>>,
    member_count: Option<i32>,
    created_by: Option<Uuid>,
    last_sequence: Option<i64>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
    last_activity_at: Option<DateTime<Utc>>,
    unread: Option<i64>,
    m_id: Option<Uuid>,
    m_sender_id: Option<Uuid>,
    m_sequence: Option<i64>,
    m_version: Option<i64>,
    m_client_message_id: Option<String>,
    m_created_at: Option<DateTime<Utc>>,
    m_updated_at: Option<DateTime<Utc>>,
    m_encryption_version: Option<i32>,
    m_content: Option<String>,
    m_sealed: Option<Vec<u8>>,
    m_ciphertext: Option<Vec<u8>>,
    m_nonce: Option<Vec<u8>>,
}

/// One text for both queries: `$page` chooses the conversations (`id`, `user_id`, `marker`) and their order.
macro_rules! view_query {
    ($total:literal, $page:literal, $($arg:expr),+) => {
        sqlx::query_as!(
            ViewRow,
            r#"SELECT t.total AS "total!", p.id AS "id?", p.kind AS "kind?", p.name AS "name?",
                      p.member_count AS "member_count?", p.created_by AS "created_by?",
                      p.last_sequence AS "last_sequence?", p.created_at AS "created_at?", p.updated_at AS "updated_at?",
                      p.version AS "version?", p.last_activity_at AS "last_activity_at?",
                      ARRAY(SELECT x.user_id FROM members x WHERE x.conversation_id = p.id AND x.left_at IS NULL
                            ORDER BY x.user_id LIMIT 100) AS member_ids,
                      u.unread AS "unread?",
                      m.id AS "m_id?", m.sender_id AS "m_sender_id?", m.sequence AS "m_sequence?",
                      m.version AS "m_version?", m.client_message_id AS "m_client_message_id?",
                      m.created_at AS "m_created_at?", m.updated_at AS "m_updated_at?",
                      m.encryption_version AS "m_encryption_version?", m.content AS "m_content?", m.sealed AS "m_sealed?",
                      m.ciphertext AS "m_ciphertext?", m.nonce AS "m_nonce?"
               FROM (SELECT "# + $total + r#" AS total) t
               LEFT JOIN LATERAL ("# + $page + r#") p ON true
               LEFT JOIN LATERAL unread_v1(p.id, p.user_id, p.last_sequence, p.last_read_sequence) u ON true
               LEFT JOIN LATERAL (
                   SELECT * FROM messages m
                   WHERE m.conversation_id = p.id AND m.deleted_at IS NULL AND p.live_count > 0
                   ORDER BY m.sequence DESC
                   LIMIT 1) m ON true
               ORDER BY p.last_activity_at DESC, p.id DESC"#,
            $($arg),+
        )
    };
}

/// Reads a conversation as `member` sees it; nothing if they are no member.
///
/// # Errors
/// If the database fails.
pub async fn view_of(
    conn: &mut PgConnection,
    conversation: ConversationId,
    member: UserId,
) -> Result<Option<ConversationView>, pg::Error> {
    let row = view_query!(
        "1::bigint",
        "SELECT c.*, mb.user_id, mb.last_read_sequence
         FROM members mb
         JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
         WHERE mb.conversation_id = $1 AND mb.user_id = $2 AND mb.left_at IS NULL",
        conversation.uuid(),
        member.uuid()
    )
    .fetch_one(conn)
    .await?;
    Ok(view(row)?)
}

/// Where a page of conversations starts: after this activity and id.
pub type Position = (DateTime<Utc>, ConversationId);

/// Reads a page of a user's conversations, latest activity first, and how many there are in all.
///
/// Each of the user's conversations costs an entry of `members_user_id_idx`, read twice, and a look at the conversation's
/// row for its activity; all else is read for the rows of the page alone (docs/adr/0009).
///
/// # Errors
/// If the database fails.
pub async fn list(
    conn: &mut PgConnection,
    user: UserId,
    after: Option<Position>,
    offset: i64,
    limit: i64,
) -> Result<(Vec<ConversationView>, i64), pg::Error> {
    let (activity, id) = (after.map(|(at, _)| at), after.map(|(_, id)| id.uuid()));
    let rows = view_query!(
        "(SELECT count(*) FROM members mb WHERE mb.user_id = $1 AND mb.left_at IS NULL)",
        "SELECT c.*, mb.user_id, mb.last_read_sequence
         FROM (
             SELECT c.id
             FROM members mb
             JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
             WHERE mb.user_id = $1 AND mb.left_at IS NULL
               AND ($2::timestamptz IS NULL OR (c.last_activity_at, c.id) < ($2, $3::uuid))
             ORDER BY c.last_activity_at DESC, c.id DESC
             LIMIT $4 OFFSET $5) f
         JOIN conversations c ON c.id = f.id
         JOIN members mb ON mb.conversation_id = f.id AND mb.user_id = $1",
        user.uuid(),
        activity,
        id,
        limit,
        offset
    )
    .fetch_all(conn)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.extend(view(row)?);
    }
    Ok((views, total))
}

fn view(row: ViewRow) -> Result<Option<ConversationView>, pg::Corrupt> {
    let Some(id) = row.id else { return Ok(None) };
    let missing = |column: &'static str| pg::Corrupt {
        table: "conversations",
        column,
        row: id.to_string(),
        fault: "the column is NULL".to_owned(),
    };
    let kind = row.kind.ok_or_else(|| missing("kind"))?;
    let message = MessageRow {
        id: row.m_id,
        conversation_id: Some(id),
        sender_id: row.m_sender_id,
        sequence: row.m_sequence,
        version: row.m_version,
        client_message_id: row.m_client_message_id,
        created_at: row.m_created_at,
        updated_at: row.m_updated_at,
        deleted_at: None,
        encryption_version: row.m_encryption_version,
        content: row.m_content,
        sealed: row.m_sealed,
        ciphertext: row.m_ciphertext,
        nonce: row.m_nonce,
    };
    Ok(Some(ConversationView {
        conversation: Conversation {
            id: id.into(),
            kind: Kind::of_code(kind).ok_or_else(|| unknown_code("conversations", "kind", id, kind))?,
            name: row.name.ok_or_else(|| missing("name"))?,
            member_ids: row.member_ids.unwrap_or_default().into_iter().map(UserId::from).collect(),
            member_count: row.member_count.ok_or_else(|| missing("member_count"))?,
            created_by: row.created_by.ok_or_else(|| missing("created_by"))?.into(),
            last_sequence: row.last_sequence.ok_or_else(|| missing("last_sequence"))?,
            created_at: row.created_at.ok_or_else(|| missing("created_at"))?,
            updated_at: row.updated_at.ok_or_else(|| missing("updated_at"))?,
            deleted_at: None,
            version: row.version.ok_or_else(|| missing("version"))?,
        },
        unread: row.unread.ok_or_else(|| missing("last_sequence"))?,
        last_message: message.message()?,
        last_activity_at: row.last_activity_at.ok_or_else(|| missing("last_activity_at"))?,
    }))
}
