//! A stream of events as a client has it.

use std::time::Duration;

use protos::messaging::v1 as pb;
use protos::messaging::v1::stream_events_response::Event as Kind;
use tonic::{Status, Streaming};

use crate::world::{Person, call};

const SOON: Duration = Duration::from_secs(10);

/// Somebody's open stream, and the cursor that they have stored.
pub struct Listening {
    stream: Streaming<pb::StreamEventsResponse>,
    pub cursor: String,
}

impl Person {
    /// Opens a stream from now on.
    pub async fn listen(&self) -> Listening {
        self.listen_with(pb::StreamEventsRequest::default()).await.unwrap()
    }

    /// Opens a stream that tells of nothing from before: what was committed a moment ago may not have been handed out yet.
    pub async fn listen_after(&self, writer: &Person, conversation: &str) -> Listening {
        let mut listening = self.listen().await;
        writer.send(conversation, "listening?").await.unwrap();
        listening.until("listening?").await;
        listening
    }

    /// Opens a stream that goes on after a cursor.
    pub async fn listen_from(&self, cursor: &str) -> Listening {
        let request = pb::StreamEventsRequest { cursor: Some(cursor.to_owned()), conversation_ids: vec![] };
        self.listen_with(request).await.unwrap()
    }

    /// Opens a stream; the heartbeat that comes first has been seen when this returns.
    pub async fn listen_with(&self, request: pb::StreamEventsRequest) -> Result<Listening, Status> {
        let stream = call(self.rpc.clone().stream_events(request)).await?;
        let mut listening = Listening { stream, cursor: String::new() };
        let first = listening.any().await?;
        assert!(matches!(first.event, Some(Kind::Heartbeat(_))), "{first:?}");
        Ok(listening)
    }

    pub async fn type_in(&self, conversation: &str) -> Result<(), Status> {
        let request = pb::SendTypingRequest { conversation_id: conversation.to_owned() };
        call(self.rpc.clone().send_typing(request)).await.map(drop)
    }
}

impl Listening {
    /// Whatever comes next, heartbeats too.
    pub async fn any(&mut self) -> Result<pb::StreamEventsResponse, Status> {
        let next = tokio::time::timeout(SOON, self.stream.message()).await;
        let event = next.expect("something is told in time")?.ok_or_else(|| Status::unknown("the stream has ended"))?;
        if !event.cursor.is_empty() {
            self.cursor.clone_from(&event.cursor);
        }
        Ok(event)
    }

    /// The next event that is no heartbeat.
    pub async fn next(&mut self) -> pb::StreamEventsResponse {
        loop {
            let event = self.any().await.unwrap();
            if !matches!(event.event, Some(Kind::Heartbeat(_))) {
                return event;
            }
        }
    }

    /// So many events.
    pub async fn take(&mut self, count: usize) -> Vec<pb::StreamEventsResponse> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.next().await);
        }
        events
    }

    /// What comes before the message with this text, and that.
    pub async fn until(&mut self, text: &str) -> Vec<pb::StreamEventsResponse> {
        let mut events = vec![];
        loop {
            let event = self.next().await;
            let is_last = text_of(&event) == Some(text);
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

/// The text of the message that an event tells of.
pub fn text_of(event: &pb::StreamEventsResponse) -> Option<&str> {
    match event.event.as_ref()? {
        Kind::MessageSent(m) | Kind::MessageEdited(m) | Kind::MessageDeleted(m) => Some(&m.content),
        _ => None,
    }
}

/// An event as a short text: what happened, to what.
pub fn short(event: &pb::StreamEventsResponse) -> String {
    match event.event.as_ref().expect("an event says what happened") {
        Kind::Heartbeat(_) => "heartbeat".to_owned(),
        Kind::MessageSent(m) => format!("sent {} v{} {:?}", m.sequence, m.version, m.content),
        Kind::MessageEdited(m) => format!("edited {} v{} {:?}", m.sequence, m.version, m.content),
        Kind::MessageDeleted(m) => {
            format!("deleted {} v{} {:?} {}", m.sequence, m.version, m.content, m.deleted_at.is_some())
        }
        Kind::MessagesRead(r) => format!("read up to {}", r.last_read_sequence),
        Kind::MemberAdded(m) => format!("added as {:?}", m.role()),
        Kind::MemberRemoved(_) => "removed".to_owned(),
        Kind::MemberRoleChanged(m) => format!("is {:?} now", m.role()),
        Kind::ConversationCreated(c) => format!("created {:?}", c.name),
        Kind::ConversationUpdated(c) => format!("renamed {:?} v{}", c.name, c.version),
        Kind::Typing(_) => "typing".to_owned(),
    }
}
