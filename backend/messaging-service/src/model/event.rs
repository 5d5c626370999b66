//! The log of changes: what happened, where it stands, and the cursor that a client keeps.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};
use traces::{Fanout, TraceContext};
use uuid::Uuid;

use super::{Conversation, Member, Message};

/// Of the form of a cursor.
const CURSOR_VERSION: u8 = 1;
const CURSOR_BYTES: usize = 1 + 4 + 8 + 16 + 8;

/// A place in the log. Readers follow it in this order (the one of `conversation_events_position_idx`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// What the writing transaction is ordered by.
    pub order: i64,
    /// Which conversation, among events of one order.
    pub conversation: ConversationId,
    /// The event's place among its conversation's.
    pub event_no: i64,
}

impl Position {
    /// The place after everything of a smaller order than `horizon`, and before everything else.
    pub fn before(horizon: i64) -> Self {
        Self { order: horizon - 1, conversation: Uuid::max().into(), event_no: i64::MAX }
    }
}

/// Where a client goes on: opaque to it, no secret, and granting nothing – what is read after it is authorized anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which log; another database has another.
    pub log: i32,
    /// The last event that the client has.
    pub at: Position,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no cursor of a stream of events")]
pub struct NoCursor;

impl Cursor {
    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`NoCursor`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NoCursor> {
        let mut bytes = [0u8; CURSOR_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(CURSOR_BYTES) if bytes[0] == CURSOR_VERSION => {}
            _ => return Err(NoCursor),
        }
        let (log, rest) = bytes[1..].split_first_chunk().expect("four of the bytes");
        let (order, rest) = rest.split_first_chunk().expect("eight of the bytes");
        let (conversation, rest) = rest.split_first_chunk().expect("sixteen of the bytes");
        let (event_no, _) = rest.split_first_chunk().expect("eight of the bytes");
        let at = Position {
            order: i64::from_be_bytes(*order),
            conversation: Uuid::from_bytes(*conversation).into(),
            event_no: i64::from_be_bytes(*event_no),
        };
        if at.order < 0 || at.event_no < 0 {
            return Err(NoCursor);
        }
        Ok(Self { log: i32::from_be_bytes(*log), at })
    }

    /// The text that a client keeps: 50 characters that need no escaping anywhere.
    pub fn encode(&self) -> String {
        let mut bytes = [0u8; CURSOR_BYTES];
        bytes[0] = CURSOR_VERSION;
        bytes[1..5].copy_from_slice(&self.log.to_be_bytes());
        bytes[5..13].copy_from_slice(&self.at.order.to_be_bytes());
        bytes[13..29].copy_from_slice(self.at.conversation.uuid().as_bytes());
        bytes[29..].copy_from_slice(&self.at.event_no.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// What kind of change a row of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A message was sent.
    MessageSent,
    /// A message was edited.
    MessageEdited,
    /// A message was deleted.
    MessageDeleted,
    /// A read marker moved.
    MessagesRead,
    /// A read marker moved in a conversation of so many that only the reader is told.
    MessagesReadAlone,
    /// Somebody was added.
    MemberAdded,
    /// Somebody left or was removed.
    MemberRemoved,
    /// Somebody got another role.
    MemberRoleChanged,
    /// The conversation was opened.
    ConversationCreated,
    /// The conversation was renamed.
    ConversationUpdated,
}

impl EventKind {
    const ALL: [Self; 10] = [
        Self::MessageSent,
        Self::MessageEdited,
        Self::MessageDeleted,
        Self::MessagesRead,
        Self::MessagesReadAlone,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::MemberRoleChanged,
        Self::ConversationCreated,
        Self::ConversationUpdated,
    ];

    /// The number in the database: the place in the list, from 1.
    pub const fn code(self) -> i16 {
        self as i16 + 1
    }

    /// Reads the number in the database.
    pub fn of_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it is about a message, whose content it shows.
    pub const fn is_of_message(self) -> bool {
        matches!(self, Self::MessageSent | Self::MessageEdited | Self::MessageDeleted)
    }
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Where it stands.
    pub at: Position,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Who did it.
    pub actor: UserId,
    /// Whose membership, role or marker it is about.
    pub subject: Option<UserId>,
    /// The message's place, or where the marker is.
    pub sequence: Option<i64>,
    /// The message's version after the change.
    pub version: Option<i64>,
    /// Where the change stands in its trace, if that is recorded.
    pub trace: Option<TraceContext>,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where to go on after it.
    pub cursor: Cursor,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// Who did it.
    pub actor: UserId,
    /// What happened.
    pub change: Change,
    /// Where the change stands in its trace, if that is recorded.
    pub trace: Option<Arc<Fanout>>,
}

/// What happened, with what it is about as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A message was sent.
    MessageSent(Message),
    /// A message was edited.
    MessageEdited(Message),
    /// A message was deleted.
    MessageDeleted(Message),
    /// Whose marker moved, and where to.
    MessagesRead(UserId, i64),
    /// Somebody was added.
    MemberAdded(Member),
    /// Somebody left or was removed.
    MemberRemoved(UserId),
    /// Somebody got another role.
    MemberRoleChanged(Member),
    /// The conversation was opened.
    ConversationCreated(Conversation),
    /// The conversation was renamed.
    ConversationUpdated(Conversation),
}

impl Change {
    /// The same, to be changed.
    pub fn message_mut(&mut self) -> Option<&mut Message> {
        match self {
            Self::MessageSent(message) | Self::MessageEdited(message) | Self::MessageDeleted(message) => Some(message),
            _ => None,
        }
    }

    /// The message that it is about.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::MessageSent(message) | Self::MessageEdited(message) | Self::MessageDeleted(message) => Some(message),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    fn cursors() -> impl Strategy<Value = Cursor> {
        (any::<i32>(), 0..i64::MAX, any::<u128>(), 0..=i64::MAX).prop_map(|(log, order, conversation, event_no)| {
            let conversation = Uuid::from_u128(conversation).into();
            Cursor { log, at: Position { order, conversation, event_no } }
        })
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_client(cursor in cursors()) {
            let text = cursor.encode();
            prop_assert!(text.len() == 50 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Cursor::parse(&text), Ok(cursor));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }

    #[test]
    fn kinds_survive_the_database() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of_code(kind.code()), Some(kind));
        }
        assert_eq!((EventKind::of_code(0), EventKind::of_code(11)), (None, None));
        assert_eq!(EventKind::MessageSent.code(), 1);
    }

    #[test]
    fn a_horizon_lies_after_all_of_a_smaller_order_and_before_its_own() {
        let event = |order| Position { order, conversation: Uuid::from_u128(7).into(), event_no: 3 };
        let horizon = Position::before(10);
        assert!(event(9) < horizon && horizon < event(10));
    }
}
