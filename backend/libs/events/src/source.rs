//! Where a relay takes events from.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::Event;

/// A row of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<M> {
    /// What the row is acknowledged with.
    pub mark: M,
    /// The event that it is; none if the row says nothing to others.
    pub event: Option<Event>,
}

/// What waits in a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many rows; a source may stop counting at some bound.
    pub rows: u64,
    /// When the oldest was written.
    pub oldest: Option<DateTime<Utc>>,
}

/// Events in the database of the change that they tell of, in its transaction: rows that are deleted once they are published
/// (the [`Outbox`](crate::Outbox)), or a log with a cursor in a row.
///
/// All of it happens in transactions of the relay, which takes turns with its like: nobody else reads meanwhile.
pub trait Source: Send + 'static {
    /// What a row is acknowledged with: its key, or a place in a log.
    type Mark: Send + Sync;

    /// The oldest rows that are not acknowledged, at most `limit`. Within an aggregate they come in the order of commits, and
    /// no row may appear later that belongs before one that was handed out. The same row gives the same event, its id
    /// included, however often it is read.
    ///
    /// # Errors
    /// If the database fails.
    fn next(
        &mut self,
        conn: &mut PgConnection,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Item<Self::Mark>>, pg::Error>> + Send;

    /// Never hands these out again: the first of those that [`Self::next`] gave in the same transaction, in their order.
    ///
    /// # Errors
    /// If the database fails.
    fn acknowledge(
        &mut self,
        conn: &mut PgConnection,
        done: &[Item<Self::Mark>],
    ) -> impl Future<Output = Result<(), pg::Error>> + Send;

    /// What waits, for the metrics; it should not cost more when more waits.
    ///
    /// # Errors
    /// If the database fails.
    fn backlog(&mut self, conn: &mut PgConnection) -> impl Future<Output = Result<Backlog, pg::Error>> + Send;
}
