//! Tables `conversations`, `direct_pairs` and `creation_requests`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::unknown_code;
use crate::model::{ClientId, Conversation, GroupName, Kind, Pair};

/// What never changes about a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facts {
    /// Between these two.
    Direct(Pair),
    /// A group.
    Group,
}

/// Reads what never changes about a conversation.
///
/// # Errors
/// If the database fails.
pub async fn facts_of(conn: &mut PgConnection, id: ConversationId) -> Result<Option<Facts>, pg::Error> {
    let row = sqlx::query!(
        r#"SELECT c.kind, p.low_id AS "low_id?", p.high_id AS "high_id?"
           FROM conversations c
           LEFT JOIN direct_pairs p ON p.conversation_id = c.id
           WHERE c.id = $1 AND c.deleted_at IS NULL"#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let pair = row.low_id.zip(row.high_id).and_then(|(low, high)| Pair::try_new(low.into(), high.into()));
    match (Kind::of_code(row.kind), pair) {
        (Some(Kind::Group), _) => Ok(Some(Facts::Group)),
        (Some(Kind::Direct), Some(pair)) => Ok(Some(Facts::Direct(pair))),
        _ => Err(unknown_code("conversations", "kind", id, row.kind).into()),
    }
}

/// Reads a conversation as all its members see it.
///
/// # Errors
/// If the database fails.
pub async fn find(conn: &mut PgConnection, id: ConversationId) -> Result<Option<Conversation>, pg::Error> {
    Ok(find_many(conn, &[id]).await?.remove(&id))
}

/// Reads conversations as all their members see them.
///
/// # Errors
/// If the database fails.
pub async fn find_many(
    conn: &mut PgConnection,
    ids: &[ConversationId],
) -> Result<HashMap<ConversationId, Conversation>, pg::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT c.id, c.kind, c.name, c.member_count, c.created_by, c.last_sequence, c.created_at, c.updated_at,
                  c.deleted_at, c.version,
                  ARRAY(SELECT x.user_id FROM members x WHERE x.conversation_id = c.id AND x.left_at IS NULL
                        ORDER BY x.user_id LIMIT 100) AS "member_ids!"
           FROM conversations c
           WHERE c.id = ANY ($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = row.id.into();
        let conversation = Conversation {
            id,
            kind: Kind::of_code(row.kind).ok_or_else(|| unknown_code("conversations", "kind", id, row.kind))?,
            name: row.name,
            member_ids: row.member_ids.into_iter().map(UserId::from).collect(),
            member_count: row.member_count,
            created_by: row.created_by.into(),
            last_sequence: row.last_sequence,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            version: row.version,
        };
        found.insert(id, conversation);
    }
    Ok(found)
}

/// Reads the direct conversation of two people.
///
/// # Errors
/// If the database fails.
pub async fn find_pair(conn: &mut PgConnection, pair: Pair) -> Result<Option<ConversationId>, pg::Error> {
    let id = sqlx::query_scalar!(
        "SELECT conversation_id FROM direct_pairs WHERE low_id = $1 AND high_id = $2",
        pair.low().uuid(),
        pair.high().uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(ConversationId::from))
}

/// Makes `id` the direct conversation of two people; false if they have one, also one that was made this moment.
///
/// # Errors
/// If the database fails.
pub async fn insert_pair(conn: &mut PgConnection, pair: Pair, id: ConversationId) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "INSERT INTO direct_pairs (low_id, high_id, conversation_id) VALUES ($1, $2, $3)
         ON CONFLICT (low_id, high_id) DO NOTHING",
        pair.low().uuid(),
        pair.high().uuid(),
        id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Stores a new conversation; its members come by `members::insert`.
///
/// # Errors
/// If the database fails.
pub async fn insert(
    conn: &mut PgConnection,
    id: ConversationId,
    name: Option<&GroupName>,
    creator: UserId,
    member_count: i32,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    let kind = if name.is_some() { Kind::Group } else { Kind::Direct };
    sqlx::query!(
        "INSERT INTO conversations (id, kind, last_sequence, live_count, member_count, version, last_activity_at,
                                    created_at, updated_at, created_by, name)
         VALUES ($1, $2, 0, 0, $3, 1, $4, $4, $4, $5, $6)",
        id.uuid(),
        kind.code(),
        member_count,
        now,
        creator.uuid(),
        name.map_or("", GroupName::as_str),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a client's id for a conversation was answered with, and the request's hash.
///
/// # Errors
/// If the database fails.
pub async fn find_request(
    conn: &mut PgConnection,
    creator: UserId,
    client_id: &ClientId,
) -> Result<Option<(ConversationId, Vec<u8>)>, pg::Error> {
    let row = sqlx::query!(
        "SELECT conversation_id, request_hash FROM creation_requests WHERE creator_id = $1 AND client_id = $2",
        creator.uuid(),
        client_id.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.conversation_id.into(), row.request_hash)))
}

/// Remembers the answer to a client's id; false if there is one, also one that was stored this moment.
///
/// # Errors
/// If the database fails.
pub async fn insert_request(
    conn: &mut PgConnection,
    creator: UserId,
    client_id: &ClientId,
    id: ConversationId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "INSERT INTO creation_requests (creator_id, client_id, conversation_id, request_hash, created_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (creator_id, client_id) DO NOTHING",
        creator.uuid(),
        client_id.as_str(),
        id.uuid(),
        hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A conversation under its lock.
#[derive(Clone, Copy, Debug)]
pub struct Locked {
    /// Its kind.
    pub kind: Kind,
    /// How many members it has.
    pub member_count: i32,
    /// The sequence of its newest message.
    pub last_sequence: i64,
    /// Its version.
    pub version: i64,
}

/// Locks a live conversation for one of its members; nothing if `member` is none. What else they may do must be read
/// after the lock: the membership seen here may be from before it.
///
/// # Errors
/// If the database fails.
pub async fn lock(conn: &mut PgConnection, id: ConversationId, member: UserId) -> Result<Option<Locked>, pg::Error> {
    let row = sqlx::query!(
        "SELECT c.kind, c.member_count, c.last_sequence, c.version
         FROM conversations c
         WHERE c.id = $1 AND c.deleted_at IS NULL
           AND EXISTS (SELECT FROM members mb
                       WHERE mb.conversation_id = $1 AND mb.user_id = $2 AND mb.left_at IS NULL)
         FOR NO KEY UPDATE",
        id.uuid(),
        member.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Locked {
        kind: Kind::of_code(row.kind).ok_or_else(|| unknown_code("conversations", "kind", id, row.kind))?,
        member_count: row.member_count,
        last_sequence: row.last_sequence,
        version: row.version,
    }))
}

/// Renames a group and counts its version up. The lock must be held.
///
/// # Errors
/// If the database fails.
pub async fn rename(
    conn: &mut PgConnection,
    id: ConversationId,
    version: i64,
    name: &GroupName,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE conversations SET name = $3, version = version + 1, updated_at = $4 WHERE id = $1 AND version = $2",
        id.uuid(),
        version,
        name.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that members have changed: their number, the version, and the end of a group that nobody is left in. The lock
/// must be held.
///
/// # Errors
/// If the database fails.
pub async fn count_members(
    conn: &mut PgConnection,
    id: ConversationId,
    change: i32,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE conversations
         SET member_count = member_count + $2, version = version + 1, updated_at = $3::timestamptz,
             deleted_at = CASE WHEN member_count + $2 = 0 THEN $3::timestamptz END
         WHERE id = $1",
        id.uuid(),
        change,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
