//! Table `conversation_events`, as it is written: in the change's own transaction, under the conversation's lock.

use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::EventKind;

/// What has happened to a conversation.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// What kind of change.
    pub kind: EventKind,
    /// Who did it.
    pub actor: UserId,
    /// Whose membership or role it is about; an event for each. None: one event about the conversation itself.
    pub subjects: &'a [UserId],
    /// The message's place and its version after the change.
    pub message: Option<(i64, i64)>,
}

/// Where the change that is made stands in its trace, if that is recorded: as the row has it.
pub(super) fn traceparent() -> Option<String> {
    traces::current_context().filter(|context| context.is_sampled()).map(|context| context.to_string())
}

/// Adds to the log. The conversation's lock must be held. Memberships that begin or end are told from here on, or up to here.
///
/// # Errors
/// If the database fails.
pub async fn append(
    conn: &mut PgConnection,
    conversation: ConversationId,
    event: NewEvent<'_>,
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    let subjects: Vec<Option<Uuid>> = match event.subjects {
        [] => vec![None],
        subjects => subjects.iter().map(|user| Some(user.uuid())).collect(),
    };
    sqlx::query!(
        "SELECT append_events_v2($1, $2, $3, $4, $5, $6, $7, $8)",
        conversation.uuid(),
        event.kind.code(),
        event.actor.uuid(),
        &subjects as _,
        event.message.map(|(sequence, _)| sequence),
        event.message.map(|(_, version)| version),
        traceparent(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets positions go on sorting after all that there are, if the server counts its transactions from a smaller number than
/// the one that wrote them: after a dump was restored elsewhere. To be called before anything is written.
///
/// # Errors
/// If the database fails.
pub async fn adjust_clock(conn: &mut PgConnection) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE event_clock k SET xid_offset = m.newest + 1
         FROM (SELECT GREATEST((SELECT max(position) FROM conversation_events), c.position, e.expired_position) AS newest
               FROM relay_cursor c CROSS JOIN event_clock e WHERE c.id AND e.id) m
         WHERE k.id AND m.newest >= k.xid_offset + pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Makes another log of it, after a restore: every cursor that was ever handed out has expired, for what was told after the backup
/// is not here any more, and something else will have its place. Events to come get ids that none of those had.
///
/// # Errors
/// If the database fails.
pub async fn begin_another_log(conn: &mut PgConnection) -> Result<(), pg::Error> {
    sqlx::query!(
        "WITH begun AS (
             UPDATE event_clock k
             SET log_id = ('x' || left(md5(k.log_id::text || gen_random_uuid()::text), 8))::bit(32)::integer
             WHERE k.id
             RETURNING k.log_id, GREATEST((SELECT max(position) FROM conversation_events), k.expired_position) AS newest)
         INSERT INTO restores AS r (after_position, log_id) SELECT newest, log_id FROM begun
         ON CONFLICT (after_position) DO UPDATE SET log_id = excluded.log_id",
    )
    .execute(&mut *conn)
    .await?;
    adjust_clock(conn).await.map(drop)
}

/// What [`expire`] has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// How many events.
    pub dropped: u64,
    /// How many of them were never on the bus.
    pub unpublished: u64,
}

/// Drops the oldest events, at most `limit`, that were written before `cutoff`, and notes up to where. Those that wait for the
/// relay stay if `hold` says so.
///
/// # Errors
/// If the database fails.
pub async fn expire(
    conn: &mut PgConnection,
    cutoff: DateTime<Utc>,
    hold: bool,
    limit: i64,
) -> Result<Expired, pg::Error> {
    let row = sqlx::query!(
        r#"WITH relayed AS (SELECT position, conversation_id, event_no FROM relay_cursor WHERE id),
           old AS (
               SELECT e.conversation_id, e.position, e.event_no
               FROM (SELECT * FROM conversation_events ORDER BY position, conversation_id, event_no LIMIT $2) e
               CROSS JOIN relayed r
               WHERE e.created_at < $1
                 AND (NOT $3 OR (e.position, e.conversation_id, e.event_no) <= (r.position, r.conversation_id, r.event_no))),
           dropped AS (
               DELETE FROM conversation_events e USING old
               WHERE (e.conversation_id, e.position, e.event_no) = (old.conversation_id, old.position, old.event_no)
               RETURNING e.position, e.conversation_id, e.event_no),
           noted AS (
               UPDATE event_clock k SET expired_position = GREATEST(k.expired_position, d.last)
               FROM (SELECT max(position) AS last FROM dropped) d WHERE k.id AND d.last IS NOT NULL)
           SELECT count(*) AS "dropped!",
                  count(*) FILTER (WHERE (d.position, d.conversation_id, d.event_no)
                                         > (r.position, r.conversation_id, r.event_no)) AS "unpublished!"
           FROM dropped d CROSS JOIN relayed r"#,
        cutoff,
        limit,
        hold,
    )
    .fetch_one(conn)
    .await?;
    Ok(Expired { dropped: row.dropped.unsigned_abs(), unpublished: row.unpublished.unsigned_abs() })
}
