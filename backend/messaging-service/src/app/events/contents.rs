//! What events show: the messages, members and conversations that they point to, as these are now.

use std::sync::Arc;

use ids::UserId;
use pg::Pool;
use traces::Fanout;

use super::super::vault::{self, Vault};
use crate::model::{Change, Cursor, Event, EventKind, LoggedEvent};
use crate::storage::{conversations, members, messages};

/// An event with what it shows.
pub struct Filled {
    /// The event.
    pub event: Event,
    /// Whether its message has changed since: an event that follows tells of it.
    pub superseded: bool,
}

/// Fills in what events show, in at most three statements and one for keys; what is gone is left out. For a reader, messages are only those
/// of conversations that they are a member of now.
///
/// # Errors
/// If the database fails.
pub async fn fill(
    pg: &Pool,
    vault: &Vault,
    log: i32,
    logged: &[&LoggedEvent],
    reader: Option<UserId>,
) -> Result<Vec<Option<Filled>>, vault::Error> {
    let conn = &mut *pg.conn().await?;
    let place = |e: &LoggedEvent| e.sequence.filter(|_| e.kind.is_of_message()).map(|seq| (e.at.conversation, seq));
    let is_member = |kind| matches!(kind, EventKind::MemberAdded | EventKind::MemberRoleChanged);
    let member = |e: &LoggedEvent| e.subject.filter(|_| is_member(e.kind)).map(|user| (e.at.conversation, user));
    let is_conversation = |kind| matches!(kind, EventKind::ConversationCreated | EventKind::ConversationUpdated);
    let conversation = |e: &LoggedEvent| is_conversation(e.kind).then_some(e.at.conversation);

    let places = distinct(logged.iter().filter_map(|e| place(e)));
    let of_members = distinct(logged.iter().filter_map(|e| member(e)));
    let of_conversations = distinct(logged.iter().filter_map(|e| conversation(e)));
    let messages = match &places[..] {
        [] => Default::default(),
        places => messages::find_many(conn, places, reader).await?,
    };
    let members = match &of_members[..] {
        [] => Default::default(),
        of => members::find_many(conn, of).await?,
    };
    let conversations = match &of_conversations[..] {
        [] => Default::default(),
        ids => conversations::find_many(conn, ids).await?,
    };

    let change = |e: &LoggedEvent| {
        let message = || messages.get(&place(e)?).cloned();
        let member = || members.get(&member(e)?).cloned();
        let conversation = || conversations.get(&conversation(e)?).cloned();
        Some(match e.kind {
            EventKind::MessageSent => Change::MessageSent(message()?),
            EventKind::MessageEdited => Change::MessageEdited(message()?),
            EventKind::MessageDeleted => Change::MessageDeleted(message()?),
            EventKind::MessagesRead | EventKind::MessagesReadAlone => Change::MessagesRead(e.subject?, e.sequence?),
            EventKind::MemberAdded => Change::MemberAdded(member()?),
            EventKind::MemberRemoved => Change::MemberRemoved(e.subject?),
            EventKind::MemberRoleChanged => Change::MemberRoleChanged(member()?),
            EventKind::ConversationCreated => Change::ConversationCreated(conversation()?),
            EventKind::ConversationUpdated => Change::ConversationUpdated(conversation()?),
        })
    };
    let fill = |e: &LoggedEvent| {
        let change = change(e)?;
        let superseded = change.message().is_some_and(|message| Some(message.version) != e.version);
        let cursor = Cursor { log, at: e.at };
        let trace = e.trace.map(|context| Arc::new(Fanout::new(context)));
        Some(Filled { event: Event { cursor, created_at: e.created_at, actor: e.actor, change, trace }, superseded })
    };
    let mut filled: Vec<_> = logged.iter().map(|e| fill(e)).collect();
    let messages = filled.iter_mut().flatten().filter_map(|filled| filled.event.change.message_mut());
    vault.open(messages.collect()).await?;
    Ok(filled)
}

fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}
