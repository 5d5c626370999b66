//! The log of changes as what the relay publishes from: a send writes nothing more than it does without a bus.
//!
//! What is handed out lies below the log's horizon (see [`event_log`]), in the order of the log, in which the events of a
//! conversation stand in the order of their numbers. How far it is on the bus stands in a row of its own, which is moved in the
//! relay's transaction.

use std::time::Duration;

use events::{Backlog, Event, Item, Payload, RelayOptions, Source, Topic};
use protos::events::v1::{
    ConversationCreated, ConversationUpdated, MemberAdded, MemberRemoved, MemberRoleChanged, MessageDeleted,
    MessageEdited, MessageSent, MessagesRead,
};
use sqlx::PgConnection;

use crate::model::{EventKind, LoggedEvent, Position};
use crate::storage::event_log;
use crate::storage::relay_cursor;

/// Rows that a backlog is counted up to.
const COUNTED: i64 = 100_000;

/// How the relay goes about it. Nobody wakes it: under load it would then publish a handful of events at a time, next to sends that
/// want the same processors; so it looks four times a second, and takes a lot at once.
pub fn options() -> RelayOptions {
    RelayOptions { batch: 1000, look_every: Duration::from_millis(250), ..RelayOptions::default() }
}

/// Table `conversation_events` as a [`Source`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversationLog;

impl Source for ConversationLog {
    type Mark = Position;

    async fn next(&mut self, conn: &mut PgConnection, limit: i64) -> Result<Vec<Item<Position>>, pg::Error> {
        let after = relay_cursor::find(conn).await?;
        let mut piece = event_log::read(conn, Some(after), None, limit).await?;
        if piece.events.is_empty() && piece.newest > after.order {
            // A transaction of another database may hold the horizon back for hours.
            let horizon = event_log::horizon_here(conn).await?;
            piece = event_log::read(conn, Some(after), Some(horizon), limit).await?;
        }
        if piece.events.is_empty() {
            return Ok(vec![]);
        }
        let restores = event_log::restores(conn).await?;
        let item =
            |logged: LoggedEvent| Item { mark: logged.at, event: event(&logged, log_of(&restores, logged.at.order)) };
        Ok(piece.events.into_iter().map(item).collect())
    }

    async fn acknowledge(&mut self, conn: &mut PgConnection, done: &[Item<Position>]) -> Result<(), pg::Error> {
        match done.last() {
            Some(last) => relay_cursor::advance(conn, last.mark).await,
            None => Ok(()),
        }
    }

    async fn backlog(&mut self, conn: &mut PgConnection) -> Result<Backlog, pg::Error> {
        let (rows, oldest) = relay_cursor::backlog(conn, COUNTED).await?;
        Ok(Backlog { rows: rows.unsigned_abs(), oldest })
    }
}

/// The log that began with the last of the restores before an order, if there was one.
fn log_of(restores: &[(i64, i32)], order: i64) -> Option<i32> {
    restores.iter().rev().find(|(after, _)| *after < order).map(|(_, log)| *log)
}

/// What a row of the log says to other services; nothing if it lacks what its kind needs. `log`: what its id is made of besides
/// its number.
fn event(logged: &LoggedEvent, log: Option<i32>) -> Option<Event> {
    let conversation_id = logged.at.conversation.to_string();
    let event_no = logged.at.event_no;
    let actor_id = logged.actor.to_string();
    let user_id = || logged.subject.map(|user| user.to_string());
    let event = match logged.kind {
        EventKind::MessageSent => {
            let sequence = logged.sequence?;
            of(logged, log, &MessageSent { conversation_id, event_no, sender_id: actor_id, sequence })
        }
        EventKind::MessageEdited => {
            let (sequence, version) = (logged.sequence?, logged.version?);
            of(logged, log, &MessageEdited { conversation_id, event_no, actor_id, sequence, version })
        }
        EventKind::MessageDeleted => {
            let (sequence, version) = (logged.sequence?, logged.version?);
            of(logged, log, &MessageDeleted { conversation_id, event_no, actor_id, sequence, version })
        }
        // Whom clients are told of is one thing; services learn of every marker.
        EventKind::MessagesRead | EventKind::MessagesReadAlone => {
            let (reader_id, sequence) = (user_id()?, logged.sequence?);
            of(logged, log, &MessagesRead { conversation_id, event_no, reader_id, sequence })
        }
        EventKind::MemberAdded => {
            of(logged, log, &MemberAdded { conversation_id, event_no, actor_id, user_id: user_id()? })
        }
        EventKind::MemberRemoved => {
            of(logged, log, &MemberRemoved { conversation_id, event_no, actor_id, user_id: user_id()? })
        }
        EventKind::MemberRoleChanged => {
            of(logged, log, &MemberRoleChanged { conversation_id, event_no, actor_id, user_id: user_id()? })
        }
        EventKind::ConversationCreated => of(logged, log, &ConversationCreated { conversation_id, event_no, actor_id }),
        EventKind::ConversationUpdated => of(logged, log, &ConversationUpdated { conversation_id, event_no, actor_id }),
    };
    Some(event)
}

/// The same row gives the same id, however often it is read.
fn of<P: Payload>(logged: &LoggedEvent, log: Option<i32>, payload: &P) -> Event {
    let (conversation, number) = (logged.at.conversation.uuid(), logged.at.event_no);
    let id = match log {
        None => Event::derived_id(Topic::Messaging, conversation, number),
        Some(log) => Event::derived_id_in(log, Topic::Messaging, conversation, number),
    };
    let trace = logged.trace.map(|context| context.to_string());
    Event::new(id, logged.created_at, conversation, payload).traced(trace)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use ids::UserId;
    use uuid::Uuid;

    use super::*;

    fn logged(kind: EventKind, subject: Option<u128>) -> LoggedEvent {
        LoggedEvent {
            at: Position { order: 5, conversation: Uuid::from_u128(1).into(), event_no: 7 },
            kind,
            created_at: DateTime::UNIX_EPOCH,
            actor: Uuid::from_u128(2).into(),
            subject: subject.map(|n| UserId::from(Uuid::from_u128(n))),
            sequence: Some(3),
            version: Some(4),
            trace: None,
        }
    }

    #[test]
    fn a_marker_that_its_reader_alone_is_told_of_is_a_read_marker_to_services() {
        for kind in [EventKind::MessagesRead, EventKind::MessagesReadAlone] {
            let event = event(&logged(kind, Some(9)), None).expect("complete");
            let read: MessagesRead = event.decode().expect("a marker");
            assert_eq!((read.event_no, read.sequence, read.reader_id), (7, 3, Uuid::from_u128(9).to_string()));
        }
    }

    #[test]
    fn the_same_row_is_the_same_event() {
        let row = logged(EventKind::MessageSent, None);
        assert_eq!(event(&row, None), event(&row, None));
        assert_ne!(event(&row, None).map(|event| event.id), event(&row, Some(1)).map(|event| event.id));
        let next = LoggedEvent { at: Position { event_no: 8, ..row.at }, ..row.clone() };
        assert_ne!(event(&row, None).map(|event| event.id), event(&next, None).map(|event| event.id));
    }

    #[test]
    fn each_event_is_of_the_log_that_it_was_written_to() {
        let restores = [(10, 100), (20, 200)];
        let logs = [10, 11, 20, 21].map(|order| log_of(&restores, order));
        assert_eq!(logs, [None, Some(100), Some(100), Some(200)]);
        assert_eq!(log_of(&[], 5), None);
    }

    #[test]
    fn a_row_without_what_its_kind_needs_is_passed_over() {
        assert_eq!(event(&logged(EventKind::MemberAdded, None), None), None);
    }
}
