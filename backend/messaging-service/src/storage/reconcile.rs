//! Proves what is counted while messages come in against the rows themselves, and puts right what differs.

use ids::ConversationId;
use sqlx::PgConnection;
use uuid::Uuid;

/// Lets the statements of this transaction take their time: a conversation may have millions of messages.
///
/// # Errors
/// If the database fails.
pub async fn take_time(conn: &mut PgConnection) -> Result<(), pg::Error> {
    sqlx::query!("SELECT set_config('statement_timeout', '0', true)").fetch_one(conn).await?;
    Ok(())
}

/// The next conversations in the order of their ids.
///
/// # Errors
/// If the database fails.
pub async fn next(
    conn: &mut PgConnection,
    after: Option<ConversationId>,
    limit: i64,
) -> Result<Vec<ConversationId>, pg::Error> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM conversations WHERE id > $1 ORDER BY id LIMIT $2",
        after.map_or(Uuid::nil(), ConversationId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ConversationId::from).collect())
}

/// What is wrong in some conversations; each number counts rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// `conversations.last_sequence`.
    pub last_sequences: u64,
    /// `conversations.live_count`.
    pub live_counts: u64,
    /// `conversations.member_count`.
    pub member_counts: u64,
    /// `messages.sender_ordinal`.
    pub sender_ordinals: u64,
    /// Conversations whose messages are not numbered 1, 2, 3 …; that is reported, not repaired.
    pub gaps: u64,
}

/// Which of these conversations do not agree with their rows, and in what.
///
/// One statement sees counts and rows as of one commit, so it needs no lock.
///
/// # Errors
/// If the database fails.
pub async fn find_wrong(
    conn: &mut PgConnection,
    ids: &[ConversationId],
) -> Result<Vec<(ConversationId, Wrong)>, pg::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT t.id, t.last_sequence <> m.last_sequence AS "last_sequence!", t.live_count <> m.live_count AS "live_count!",
                  t.member_count <> x.member_count AS "member_count!", m.wrong_ordinals AS "wrong_ordinals!",
                  m.last_sequence <> m.count AS "gap!"
           FROM conversations t
           CROSS JOIN LATERAL (
               SELECT COALESCE(max(m.sequence), 0) AS last_sequence, count(*) AS count,
                      count(*) FILTER (WHERE m.deleted_at IS NULL) AS live_count,
                      count(*) FILTER (WHERE m.sender_ordinal <> m.nth) AS wrong_ordinals
               FROM (SELECT *, row_number() OVER (PARTITION BY sender_id ORDER BY sequence) AS nth
                     FROM messages WHERE conversation_id = t.id) m) m
           CROSS JOIN LATERAL (
               SELECT count(*) AS member_count
               FROM members mb WHERE mb.conversation_id = t.id AND mb.left_at IS NULL) x
           WHERE t.id = ANY ($1)
             AND NOT (t.last_sequence = m.last_sequence AND t.last_sequence = m.count AND t.live_count = m.live_count
                      AND t.member_count = x.member_count AND m.wrong_ordinals = 0)
           ORDER BY t.id"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let found = rows.into_iter().map(|row| {
        let wrong = Wrong {
            last_sequences: row.last_sequence.into(),
            live_counts: row.live_count.into(),
            member_counts: row.member_count.into(),
            sender_ordinals: u64::try_from(row.wrong_ordinals).unwrap_or(0),
            gaps: row.gap.into(),
        };
        (row.id.into(), wrong)
    });
    Ok(found.collect())
}

/// Locks a conversation, as everybody does who changes what is counted.
///
/// # Errors
/// If the database fails.
pub async fn lock(conn: &mut PgConnection, id: ConversationId) -> Result<(), pg::Error> {
    sqlx::query!("SELECT id FROM conversations WHERE id = $1 FOR NO KEY UPDATE", id.uuid())
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// Counts a conversation anew. The lock must be held.
///
/// # Errors
/// If the database fails.
pub async fn repair(conn: &mut PgConnection, id: ConversationId) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE conversations c
         SET last_sequence = m.last_sequence, live_count = m.live_count, member_count = x.member_count
         FROM (SELECT COALESCE(max(sequence), 0) AS last_sequence, count(*) FILTER (WHERE deleted_at IS NULL) AS live_count
               FROM messages WHERE conversation_id = $1) m,
              (SELECT count(*)::integer AS member_count
               FROM members WHERE conversation_id = $1 AND left_at IS NULL) x
         WHERE c.id = $1
           AND (c.last_sequence, c.live_count, c.member_count)
               IS DISTINCT FROM (m.last_sequence, m.live_count, x.member_count)",
        id.uuid(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE messages m
         SET sender_ordinal = n.nth
         FROM (SELECT sequence, row_number() OVER (PARTITION BY sender_id ORDER BY sequence) AS nth
               FROM messages WHERE conversation_id = $1) n
         WHERE m.conversation_id = $1 AND m.sequence = n.sequence AND m.sender_ordinal <> n.nth",
        id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
