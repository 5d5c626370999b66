//! Table `members`. All but the read marker changes under the lock of the conversation's row.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::unknown_code;
use crate::model::{Kind, Member, Role};

/// A page of members.
#[derive(Debug)]
pub struct MemberPage {
    /// The members, ordered by user id.
    pub members: Vec<Member>,
    /// How many there are in all.
    pub total: i32,
}

/// Reads a page of present members for `reader`; nothing if they are none.
///
/// # Errors
/// If the database fails.
pub async fn page_of(
    conn: &mut PgConnection,
    conversation: ConversationId,
    reader: UserId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Option<MemberPage>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT c.member_count, x.user_id AS "user_id?", x.role AS "role?", x.joined_at AS "joined_at?",
                  x.last_read_sequence AS "last_read_sequence?"
           FROM members mb
           JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
           LEFT JOIN LATERAL (
               SELECT * FROM members x
               WHERE x.conversation_id = mb.conversation_id AND x.left_at IS NULL AND x.user_id > $3
               ORDER BY x.user_id
               LIMIT $4) x ON true
           WHERE mb.conversation_id = $1 AND mb.user_id = $2 AND mb.left_at IS NULL
           ORDER BY x.user_id"#,
        conversation.uuid(),
        reader.uuid(),
        after.map_or(Uuid::nil(), UserId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let total = first.member_count;
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(user), Some(role), Some(joined_at), Some(last_read_sequence)) =
            (row.user_id, row.role, row.joined_at, row.last_read_sequence)
        else {
            continue;
        };
        let role = Role::of_code(role).ok_or_else(|| unknown_code("members", "role", user, role))?;
        members.push(Member { user: user.into(), role, joined_at, last_read_sequence });
    }
    Ok(Some(MemberPage { members, total }))
}

/// Stores the first members of a new conversation.
///
/// # Errors
/// If the database fails.
pub async fn insert(
    conn: &mut PgConnection,
    conversation: ConversationId,
    owner: Option<UserId>,
    others: &[UserId],
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    let users: Vec<Uuid> = owner.iter().chain(others).map(|user| user.uuid()).collect();
    sqlx::query!(
        "INSERT INTO members (conversation_id, user_id, last_read_sequence, joined_at, role)
         SELECT $1, u.id, 0, $4, CASE WHEN u.id = $3 THEN 1 ELSE 3 END FROM unnest($2::uuid[]) AS u (id)",
        conversation.uuid(),
        &users,
        owner.map(UserId::uuid),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds people to a group, or brings back who has left, with nothing unread; tells who was not in before.
///
/// # Errors
/// If the database fails.
pub async fn add(
    conn: &mut PgConnection,
    conversation: ConversationId,
    users: &[UserId],
    last_sequence: i64,
    now: DateTime<Utc>,
) -> Result<Vec<UserId>, pg::Error> {
    let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    let mut added = sqlx::query_scalar!(
        "INSERT INTO members AS mb (conversation_id, user_id, last_read_sequence, joined_at, role)
         SELECT $1, u.id, $3, $4, 3 FROM unnest($2::uuid[]) AS u (id)
         ON CONFLICT (conversation_id, user_id) DO UPDATE
         SET last_read_sequence = excluded.last_read_sequence, joined_at = excluded.joined_at, left_at = NULL, role = 3
         WHERE mb.left_at IS NOT NULL
         RETURNING mb.user_id",
        conversation.uuid(),
        &users,
        last_sequence,
        now,
    )
    .fetch_all(conn)
    .await?;
    added.sort_unstable();
    Ok(added.into_iter().map(UserId::from).collect())
}

/// A membership as the rules need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In, with this role.
    Present(Role),
    /// Was in once.
    Former,
}

/// Reads somebody's standing; nothing if they were never in.
///
/// # Errors
/// If the database fails.
pub async fn standing_of(
    conn: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
) -> Result<Option<Standing>, pg::Error> {
    let row = sqlx::query!(
        "SELECT role, left_at FROM members WHERE conversation_id = $1 AND user_id = $2",
        conversation.uuid(),
        user.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role = Role::of_code(row.role).ok_or_else(|| unknown_code("members", "role", user, row.role))?;
    Ok(Some(if row.left_at.is_some() { Standing::Former } else { Standing::Present(role) }))
}

/// Reads a conversation's kind, a member's role in it, and which of `users` are in; nothing if `member` is none.
///
/// # Errors
/// If the database fails.
pub async fn role_and_present(
    conn: &mut PgConnection,
    conversation: ConversationId,
    member: UserId,
    users: &[UserId],
) -> Result<Option<(Kind, Role, Vec<UserId>)>, pg::Error> {
    let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    let row = sqlx::query!(
        r#"SELECT c.kind, mb.role,
                  ARRAY(SELECT x.user_id FROM members x
                        WHERE x.conversation_id = $1 AND x.user_id = ANY ($3) AND x.left_at IS NULL) AS "present!"
           FROM members mb
           JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL
           WHERE mb.conversation_id = $1 AND mb.user_id = $2 AND mb.left_at IS NULL"#,
        conversation.uuid(),
        member.uuid(),
        &users,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = Kind::of_code(row.kind).ok_or_else(|| unknown_code("conversations", "kind", conversation, row.kind))?;
    let role = Role::of_code(row.role).ok_or_else(|| unknown_code("members", "role", member, row.role))?;
    Ok(Some((kind, role, row.present.into_iter().map(UserId::from).collect())))
}

/// Of which of these conversations somebody is a member.
///
/// # Errors
/// If the database fails.
pub async fn present_in(
    conn: &mut PgConnection,
    user: UserId,
    conversations: &[ConversationId],
) -> Result<Vec<ConversationId>, pg::Error> {
    let ids: Vec<Uuid> = conversations.iter().map(|id| id.uuid()).collect();
    let found = sqlx::query_scalar!(
        "SELECT conversation_id FROM members WHERE user_id = $1 AND conversation_id = ANY ($2) AND left_at IS NULL",
        user.uuid(),
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(ConversationId::from).collect())
}

/// Groups that somebody is a member of.
///
/// # Errors
/// If the database fails.
pub async fn groups_of(conn: &mut PgConnection, user: UserId, limit: i64) -> Result<Vec<ConversationId>, pg::Error> {
    let found = sqlx::query_scalar!(
        "SELECT c.id FROM members mb
         JOIN conversations c ON c.id = mb.conversation_id AND c.kind = 2 AND c.deleted_at IS NULL
         WHERE mb.user_id = $1 AND mb.left_at IS NULL
         LIMIT $2",
        user.uuid(),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(ConversationId::from).collect())
}

/// Ends a membership.
///
/// # Errors
/// If the database fails.
pub async fn leave(
    conn: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE members SET left_at = $3 WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL",
        conversation.uuid(),
        user.uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Who becomes the owner when the owner has left: the administrator, else the member, who has been in longest.
///
/// # Errors
/// If the database fails.
pub async fn heir_of(conn: &mut PgConnection, conversation: ConversationId) -> Result<Option<UserId>, pg::Error> {
    let heir = sqlx::query_scalar!(
        "SELECT user_id FROM members WHERE conversation_id = $1 AND left_at IS NULL
         ORDER BY role, joined_at, user_id LIMIT 1",
        conversation.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(heir.map(UserId::from))
}

/// Gives a present member a role.
///
/// # Errors
/// If the database fails.
pub async fn set_role(
    conn: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    role: Role,
) -> Result<Option<Member>, pg::Error> {
    let row = sqlx::query!(
        "UPDATE members SET role = $3 WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL
         RETURNING joined_at, last_read_sequence",
        conversation.uuid(),
        user.uuid(),
        role.code(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Member { user, role, joined_at: row.joined_at, last_read_sequence: row.last_read_sequence }))
}

/// Reads memberships, ended ones too.
///
/// # Errors
/// If the database fails.
pub async fn find_many(
    conn: &mut PgConnection,
    of: &[(ConversationId, UserId)],
) -> Result<HashMap<(ConversationId, UserId), Member>, pg::Error> {
    let (conversations, users): (Vec<Uuid>, Vec<Uuid>) = of.iter().map(|(id, user)| (id.uuid(), user.uuid())).unzip();
    let rows = sqlx::query!(
        "SELECT mb.conversation_id, mb.user_id, mb.role, mb.joined_at, mb.last_read_sequence
         FROM unnest($1::uuid[], $2::uuid[]) AS p (conversation_id, user_id)
         JOIN members mb ON mb.conversation_id = p.conversation_id AND mb.user_id = p.user_id",
        &conversations,
        &users,
    )
    .fetch_all(conn)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let user = UserId::from(row.user_id);
        let role = Role::of_code(row.role).ok_or_else(|| unknown_code("members", "role", user, row.role))?;
        let member = Member { user, role, joined_at: row.joined_at, last_read_sequence: row.last_read_sequence };
        found.insert((row.conversation_id.into(), user), member);
    }
    Ok(found)
}
