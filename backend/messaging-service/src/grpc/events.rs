//! What a stream tells, on the wire.

use std::sync::Arc;

use protos::messaging::v1 as pb;
use protos::messaging::v1::stream_events_response::Event as Kind;

use crate::app::events::{StreamStats, Told};
use crate::model::{Change, Event};

impl From<Told> for pb::StreamEventsResponse {
    fn from(told: Told) -> Self {
        match told {
            Told::Event(event) => Arc::unwrap_or_clone(event).into(),
            Told::Heartbeat(cursor) => {
                Self { cursor: cursor.encode(), event: Some(Kind::Heartbeat(pb::Heartbeat {})), ..Self::default() }
            }
            Told::Typing(typing) => Self {
                conversation_id: typing.conversation.to_string(),
                actor_id: typing.user.to_string(),
                event: Some(Kind::Typing(pb::Typing { user_id: typing.user.to_string() })),
                ..Self::default()
            },
        }
    }
}

impl From<Event> for pb::StreamEventsResponse {
    fn from(event: Event) -> Self {
        let Event { cursor, created_at, actor, change, .. } = event;
        Self {
            cursor: cursor.encode(),
            conversation_id: cursor.at.conversation.to_string(),
            event_number: cursor.at.event_no,
            created_at: clock::rfc3339(created_at),
            actor_id: actor.to_string(),
            event: Some(change.into()),
        }
    }
}

impl From<Change> for Kind {
    fn from(change: Change) -> Self {
        match change {
            Change::MessageSent(message) => Self::MessageSent(message.into()),
            Change::MessageEdited(message) => Self::MessageEdited(message.into()),
            Change::MessageDeleted(message) => Self::MessageDeleted(message.into()),
            Change::MessagesRead(reader, sequence) => {
                Self::MessagesRead(pb::MessagesRead { reader_id: reader.to_string(), last_read_sequence: sequence })
            }
            Change::MemberAdded(member) => Self::MemberAdded(member.into()),
            Change::MemberRemoved(user) => Self::MemberRemoved(pb::MemberRemoved { user_id: user.to_string() }),
            Change::MemberRoleChanged(member) => Self::MemberRoleChanged(member.into()),
            Change::ConversationCreated(conversation) => Self::ConversationCreated(conversation.into()),
            Change::ConversationUpdated(conversation) => Self::ConversationUpdated(conversation.into()),
        }
    }
}

impl From<StreamStats> for pb::GetStreamStatsResponse {
    fn from(stats: StreamStats) -> Self {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            open_streams: number(stats.open as u64),
            listening_users: number(stats.users as u64),
            events_delivered: number(stats.delivered),
            slow_readers: number(stats.slow_readers),
            log_lag_ms: stats.lag_ms,
            started_at: clock::rfc3339(stats.started_at),
            redis_connected: stats.redis_connected,
        }
    }
}
