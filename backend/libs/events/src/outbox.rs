//! Table `outbox` (schema/0001_create_outbox.sql): events that are committed with their change and not yet on the bus.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::row::{Columns, Row};
use crate::{Backlog, Event, Item, Source};

/// Rows that a backlog is counted up to.
const COUNTED: i64 = 100_000;

/// Writes events, in their order and in one statement, in the caller's transaction. Changes whose order matters must hold a lock
/// that they share, such as the row of their aggregate, from before this until they commit. After the commit, tell the relay
/// ([`Wake`](crate::Wake)).
///
/// # Errors
/// If the database fails, or refuses data of more than [`MAX_DATA_BYTES`](crate::MAX_DATA_BYTES) (constraint
/// `outbox_data_check`).
pub async fn append(conn: &mut PgConnection, events: &[Event]) -> Result<(), pg::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(&events.iter().collect::<Vec<_>>());
    sqlx::query(
        "INSERT INTO outbox (id, topic, type, subject, aggregate_id, created_at, traceparent, data)
         SELECT e.id, e.topic, e.type, e.subject, e.aggregate_id, e.created_at, e.traceparent, e.data
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[], $7::text[], $8::bytea[])
              WITH ORDINALITY AS e (id, topic, type, subject, aggregate_id, created_at, traceparent, data, n)
         ORDER BY e.n",
    )
    .bind(columns.ids)
    .bind(columns.topics)
    .bind(columns.kinds)
    .bind(columns.subjects)
    .bind(columns.aggregates)
    .bind(columns.times)
    .bind(columns.traceparents)
    .bind(columns.data)
    .execute(conn)
    .await?;
    Ok(())
}

/// The table as a [`Source`]: what is acknowledged is deleted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outbox;

impl Source for Outbox {
    type Mark = i64;

    async fn next(&mut self, conn: &mut PgConnection, limit: i64) -> Result<Vec<Item<i64>>, pg::Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT position, id, topic, type, subject, aggregate_id, created_at, traceparent, data
             FROM outbox ORDER BY position LIMIT $1",
        )
        .bind(limit)
        .fetch_all(conn)
        .await?;
        let items = rows.into_iter().map(|row| {
            let (mark, event) = row.event("outbox")?;
            Ok(Item { mark, event: Some(event) })
        });
        items.collect()
    }

    async fn acknowledge(&mut self, conn: &mut PgConnection, done: &[Item<i64>]) -> Result<(), pg::Error> {
        // By name, not up to the last: a row with a smaller position may have been committed meanwhile.
        let positions: Vec<i64> = done.iter().map(|item| item.mark).collect();
        sqlx::query("DELETE FROM outbox WHERE position = ANY ($1)").bind(positions).execute(conn).await?;
        Ok(())
    }

    async fn backlog(&mut self, conn: &mut PgConnection) -> Result<Backlog, pg::Error> {
        let (rows, oldest): (i64, Option<DateTime<Utc>>) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) o),
                    (SELECT created_at FROM outbox ORDER BY position LIMIT 1)",
        )
        .bind(COUNTED)
        .fetch_one(conn)
        .await?;
        Ok(Backlog { rows: rows.unsigned_abs(), oldest })
    }
}
