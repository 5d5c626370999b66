//! Tables `conversation_events` and `event_clock`, as they are read: the whole log from where one stands, or one person's part.
//!
//! Nothing is handed out that is not below the *horizon*: the oldest transaction that may still add to the log.

use ids::{ConversationId, UserId};
use sqlx::PgConnection;
use traces::TraceContext;
use uuid::Uuid;

use super::unknown_code;
use crate::model::{EventKind, LoggedEvent, Position};

/// A piece of the log.
#[derive(Debug)]
pub struct Piece {
    /// Which log it is.
    pub log: i32,
    /// The horizon that the statement's snapshot has by itself.
    pub own_horizon: i64,
    /// That, or the one that was known before: everything of a smaller order has been seen, if there are fewer events than
    /// were asked for.
    pub horizon: i64,
    /// The order of the newest event that has been committed, whether below the horizon or not.
    pub newest: i64,
    /// The events.
    pub events: Vec<LoggedEvent>,
}

#[derive(Debug)]
struct EventRow {
    conversation_id: Option<Uuid>,
    position: Option<i64>,
    event_no: Option<i64>,
    created_at: Option<chrono::DateTime<chrono::Utc>>,
    actor_id: Option<Uuid>,
    subject_id: Option<Uuid>,
    sequence: Option<i64>,
    version: Option<i64>,
    kind: Option<i16>,
    traceparent: Option<String>,
}

impl EventRow {
    /// The event, if the outer join found one.
    fn event(self) -> Result<Option<LoggedEvent>, pg::Corrupt> {
        let columns = (self.conversation_id, self.position, self.event_no, self.created_at, self.actor_id, self.kind);
        let (Some(conversation), Some(order), Some(event_no), Some(created_at), Some(actor), Some(kind)) = columns
        else {
            return Ok(None);
        };
        Ok(Some(LoggedEvent {
            at: Position { order, conversation: conversation.into(), event_no },
            kind: EventKind::of_code(kind)
                .ok_or_else(|| unknown_code("conversation_events", "kind", conversation, kind))?,
            created_at,
            actor: actor.into(),
            subject: self.subject_id.map(UserId::from),
            sequence: self.sequence,
            version: self.version,
            trace: self.traceparent.as_deref().and_then(TraceContext::parse),
        }))
    }
}

macro_rules! event_row {
    ($row:ident) => {
        EventRow {
            conversation_id: $row.conversation_id,
            position: $row.position,
            event_no: $row.event_no,
            created_at: $row.created_at,
            actor_id: $row.actor_id,
            subject_id: $row.subject_id,
            sequence: $row.sequence,
            version: $row.version,
            kind: $row.kind,
            traceparent: $row.traceparent,
        }
    };
}

/// Reads the log after `after`; without it, only where the log is. `known_horizon` may lie beyond the one that the
/// statement sees by itself (see [`horizon_here`]).
///
/// # Errors
/// If the database fails.
pub async fn read(
    conn: &mut PgConnection,
    after: Option<Position>,
    known_horizon: Option<i64>,
    limit: i64,
) -> Result<Piece, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT h.log_id, h.own AS "own!", h.horizon AS "horizon!", h.newest AS "newest!",
                  e.conversation_id AS "conversation_id?", e.position AS "position?", e.event_no AS "event_no?",
                  e.created_at AS "created_at?", e.actor_id AS "actor_id?", e.subject_id AS "subject_id?",
                  e.sequence AS "sequence?", e.version AS "version?", e.kind AS "kind?", e.traceparent AS "traceparent?"
           FROM (SELECT k.log_id, x.own, GREATEST(x.own, $4) AS horizon,
                        COALESCE((SELECT max(position) FROM conversation_events), 0) AS newest
                 FROM event_clock k
                 CROSS JOIN LATERAL (
                     SELECT k.xid_offset + pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS own) x
                 WHERE k.id) h
           LEFT JOIN LATERAL (
               SELECT * FROM conversation_events e
               WHERE (e.position, e.conversation_id, e.event_no) > ($1, $2, $3) AND e.position < h.horizon
               ORDER BY e.position, e.conversation_id, e.event_no
               LIMIT $5) e ON true
           ORDER BY e.position, e.conversation_id, e.event_no"#,
        after.map(|at| at.order),
        after.map(|at| at.conversation.uuid()),
        after.map(|at| at.event_no),
        known_horizon,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let first = rows.first().ok_or_else(no_clock)?;
    let (log, own_horizon, horizon, newest) = (first.log_id, first.own, first.horizon, first.newest);
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        events.extend(event_row!(row).event()?);
    }
    Ok(Piece { log, own_horizon, horizon, newest, events })
}

/// The restores that there were, in the order of the log: each the position that it came after, and the log that began then.
///
/// # Errors
/// If the database fails.
pub async fn restores(conn: &mut PgConnection) -> Result<Vec<(i64, i32)>, pg::Error> {
    let rows =
        sqlx::query!("SELECT after_position, log_id FROM restores ORDER BY after_position").fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.after_position, row.log_id)).collect())
}

/// The horizon as far as transactions in this database are concerned.
///
/// A snapshot's xmin is held back by every transaction of the server, also by those of other databases, which write no events.
/// Here the oldest transaction of this database is looked up. All transactions that were numbered before the statement's
/// snapshot and still run are found, since the sessions are looked at after it was taken; who was numbered later has a number
/// of at least xmax. So what is below is over, and a statement that begins after this one sees it.
///
/// # Errors
/// If the database fails.
pub async fn horizon_here(conn: &mut PgConnection) -> Result<i64, pg::Error> {
    let horizon = sqlx::query_scalar!(
        r#"WITH s AS MATERIALIZED (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax)
           SELECT k.xid_offset + LEAST(s.xmax, (
               SELECT min(s.xmax - d.back) FROM (
                   -- Numbers of 32 bits, as their distance to one of 64.
                   SELECT ((s.xmax - t.xid::text::bigint) & 4294967295) AS back
                   FROM (SELECT a.backend_xid AS xid FROM pg_stat_activity a
                         WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL
                         UNION ALL
                         SELECT p.transaction FROM pg_prepared_xacts p WHERE p.database = current_database()) t) d
               WHERE d.back < 2147483648)) AS "horizon!"
           FROM event_clock k CROSS JOIN s
           WHERE k.id"#,
    )
    .fetch_one(conn)
    .await?;
    Ok(horizon)
}

/// A person's part of the log.
#[derive(Debug)]
pub struct OwnPiece {
    /// Which log it is.
    pub log: i32,
    /// Up to this order events may have been dropped.
    pub expired: i64,
    /// No event has this order yet.
    pub future: i64,
    /// The events.
    pub events: Vec<LoggedEvent>,
}

/// Which of a person's events.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// Whose.
    pub user: UserId,
    /// After this.
    pub after: Position,
    /// Up to this, which must lie below the horizon.
    pub until: Position,
    /// Only of these conversations.
    pub only: Option<&'a [ConversationId]>,
    /// How many at most.
    pub limit: i64,
}

/// Reads what happened in a person's conversations since they became a member, and the ends of memberships.
///
/// Each of the person's conversations costs a look at its row; those in which nothing has happened cost no more.
///
/// # Errors
/// If the database fails.
pub async fn read_own(conn: &mut PgConnection, stretch: Stretch<'_>) -> Result<OwnPiece, pg::Error> {
    let only: Option<Vec<Uuid>> = stretch.only.map(|ids| ids.iter().map(|id| id.uuid()).collect());
    let (after, until) = (stretch.after, stretch.until);
    let rows = sqlx::query!(
        r#"SELECT k.log_id, k.expired_position, k.xid_offset + pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS "future!",
                  e.conversation_id AS "conversation_id?", e.position AS "position?", e.event_no AS "event_no?",
                  e.created_at AS "created_at?", e.actor_id AS "actor_id?", e.subject_id AS "subject_id?",
                  e.sequence AS "sequence?", e.version AS "version?", e.kind AS "kind?", e.traceparent AS "traceparent?"
           FROM event_clock k
           LEFT JOIN LATERAL (
               (SELECT e.* FROM members mb
                JOIN conversations c ON c.id = mb.conversation_id AND c.deleted_at IS NULL AND c.last_position >= $2
                CROSS JOIN LATERAL (
                    SELECT * FROM conversation_events e
                    WHERE e.conversation_id = mb.conversation_id AND e.position >= $2 AND e.position <= $5
                      AND (e.position, e.conversation_id, e.event_no) > ($2, $3, $4)
                      AND (e.position, e.conversation_id, e.event_no) <= ($5, $6, $7)
                      AND e.event_no >= mb.joined_event_no AND (e.kind <> 5 OR e.subject_id = mb.user_id)
                    ORDER BY e.position, e.event_no
                    LIMIT $9) e
                WHERE mb.user_id = $1 AND mb.left_at IS NULL AND ($8::uuid[] IS NULL OR mb.conversation_id = ANY ($8)))
               UNION ALL
               (SELECT e.* FROM members mb
                JOIN conversation_events e ON e.conversation_id = mb.conversation_id AND e.position = mb.left_position
                                          AND e.event_no = mb.left_event_no
                WHERE mb.user_id = $1 AND mb.left_position >= $2 AND mb.left_position <= $5
                  AND (e.position, e.conversation_id, e.event_no) > ($2, $3, $4)
                  AND (e.position, e.conversation_id, e.event_no) <= ($5, $6, $7)
                  AND ($8::uuid[] IS NULL OR mb.conversation_id = ANY ($8)))
               ORDER BY position, conversation_id, event_no
               LIMIT $9) e ON true
           WHERE k.id
           ORDER BY e.position, e.conversation_id, e.event_no"#,
        stretch.user.uuid(),
        after.order,
        after.conversation.uuid(),
        after.event_no,
        until.order,
        until.conversation.uuid(),
        until.event_no,
        only.as_deref(),
        stretch.limit,
    )
    .fetch_all(conn)
    .await?;
    let first = rows.first().ok_or_else(no_clock)?;
    let (log, expired, future) = (first.log_id, first.expired_position, first.future);
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        events.extend(event_row!(row).event()?);
    }
    Ok(OwnPiece { log, expired, future, events })
}

/// From which event to which somebody is told of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Who.
    pub user: UserId,
    /// The event that added them.
    pub from: i64,
    /// The event that removed them; `i64::MAX` while they are a member.
    pub to: i64,
}

/// Reads who is told of conversations now, and who was still told of them at `order`.
///
/// # Errors
/// If the database fails.
pub async fn spans(
    conn: &mut PgConnection,
    conversations: &[ConversationId],
    order: i64,
) -> Result<Vec<(ConversationId, Span)>, pg::Error> {
    let ids: Vec<Uuid> = conversations.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(
        "SELECT conversation_id, user_id, joined_event_no, left_event_no FROM members
         WHERE conversation_id = ANY ($1) AND (left_at IS NULL OR left_position >= $2)",
        &ids,
        order,
    )
    .fetch_all(conn)
    .await?;
    let span = |user: Uuid, from, to: Option<i64>| Span { user: user.into(), from, to: to.unwrap_or(i64::MAX) };
    let found = rows.into_iter();
    Ok(found.map(|r| (r.conversation_id.into(), span(r.user_id, r.joined_event_no, r.left_event_no))).collect())
}

fn no_clock() -> pg::Corrupt {
    pg::Corrupt { table: "event_clock", column: "id", row: "true".to_owned(), fault: "the row is missing".to_owned() }
}
