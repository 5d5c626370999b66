//! Table `relay_cursor`: how far the log is on the event bus.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::model::Position;

/// The last event that is on the bus.
///
/// # Errors
/// If the database fails.
pub async fn find(conn: &mut PgConnection) -> Result<Position, pg::Error> {
    let row =
        sqlx::query!("SELECT position, conversation_id, event_no FROM relay_cursor WHERE id").fetch_one(conn).await?;
    Ok(Position { order: row.position, conversation: row.conversation_id.into(), event_no: row.event_no })
}

/// Moves on; never back.
///
/// # Errors
/// If the database fails.
pub async fn advance(conn: &mut PgConnection, to: Position) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE relay_cursor SET position = $1, conversation_id = $2, event_no = $3
         WHERE id AND (position, conversation_id, event_no) < ($1, $2, $3)",
        to.order,
        to.conversation.uuid(),
        to.event_no,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many events are not on the bus, counted up to `most`, and when the first of them happened.
///
/// # Errors
/// If the database fails.
pub async fn backlog(conn: &mut PgConnection, most: i64) -> Result<(i64, Option<DateTime<Utc>>), pg::Error> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM (
                       SELECT FROM conversation_events e
                       WHERE (e.position, e.conversation_id, e.event_no) > (c.position, c.conversation_id, c.event_no)
                       LIMIT $1) e) AS "count!",
                  (SELECT e.created_at FROM conversation_events e
                   WHERE (e.position, e.conversation_id, e.event_no) > (c.position, c.conversation_id, c.event_no)
                   ORDER BY e.position, e.conversation_id, e.event_no LIMIT 1) AS oldest
           FROM relay_cursor c WHERE c.id"#,
        most,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.count, row.oldest))
}
