//! SQL and nothing else: free functions on a connection, one file a table. Live membership is part of every statement
//! that reads for somebody, so no cache can let a former member in.

pub mod conversations;
pub mod event_log;
pub mod events;
pub mod export;
pub mod keys;
pub mod members;
mod message_row;
pub mod messages;
pub mod reconcile;
pub mod relay_cursor;
pub mod send;
pub mod unread;
pub mod user_keys;
pub mod views;

use pg::Corrupt;

/// A code in a row that this release does not know.
fn unknown_code(table: &'static str, column: &'static str, row: impl ToString, code: i16) -> Corrupt {
    Corrupt { table, column, row: row.to_string(), fault: format!("{code} is unknown") }
}
