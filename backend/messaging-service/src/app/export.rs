//! ExportUser: what is held on a person, one record after the other. Never what others wrote: that is theirs.

use std::sync::Arc;

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::{ConversationId, UserId};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{App, vault};
use crate::model::{Conversation, Message};
use crate::storage::conversations;
use crate::storage::export::{self, ConversationRequest, Membership};

/// Records that wait for who reads the stream.
const QUEUE: usize = 16;

/// One thing that is held on a person.
#[derive(Debug)]
pub enum Record {
    /// A membership, also one that has ended, with the read marker.
    Membership(Membership),
    /// A conversation that they are in, with its first members.
    Conversation(Box<Conversation>),
    /// More members of it.
    ConversationMembers(ConversationId, Vec<UserId>),
    /// A message of theirs.
    Message(Box<Message>),
    /// A conversation that their client has asked for under an id of its own.
    ConversationRequest(ConversationRequest),
}

/// Where the records come out; after a failure there is no more.
pub type Outlet = mpsc::Receiver<Result<Record, Box<Error>>>;

/// Why there is no export, or why it ends early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a service.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Contents can't be opened.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Denied(denied) => denied.class(),
            Self::Vault(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

/// Why writing stops before its end.
enum Stop {
    /// Nobody reads any more.
    Left,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl App {
    /// Begins to export what is held on a user; nothing, if they are not known here. What is read and not yet taken is a page at
    /// most, and no connection is held while the reader takes their time.
    ///
    /// # Errors
    /// [`Denied`] for who is no service.
    pub async fn export_user(self: &Arc<Self>, caller: &Caller, user: UserId) -> Result<Outlet, Error> {
        caller.must_be_service()?;
        let (out, outlet) = mpsc::channel(QUEUE);
        let export = Export { app: Arc::clone(self), user, out };
        tokio::spawn(export.run().in_current_span());
        Ok(outlet)
    }
}

struct Export {
    app: Arc<App>,
    user: UserId,
    out: mpsc::Sender<Result<Record, Box<Error>>>,
}

impl Export {
    async fn run(self) {
        if let Err(Stop::Failed(error)) = self.write().await {
            // Whoever has left needs no reason.
            let _ = self.out.send(Err(Box::new(error))).await;
        }
    }

    async fn write(&self) -> Result<(), Stop> {
        let limit = i64::from(self.app.pages.others.max);
        let mut after = None;
        loop {
            let mut conn = self.app.pg.conn().await?;
            let memberships = export::memberships(&mut conn, self.user, after, limit).await?;
            let present: Vec<_> = memberships.iter().filter(|m| m.left_at.is_none()).map(|m| m.conversation).collect();
            let mut conversations = conversations::find_many(&mut conn, &present).await?;
            drop(conn);
            let Some(last) = memberships.last() else { break };
            after = Some(last.conversation);
            for membership in memberships {
                let id = membership.conversation;
                self.tell(Record::Membership(membership)).await?;
                if let Some(conversation) = conversations.remove(&id) {
                    self.write_conversation(conversation, limit).await?;
                }
                self.write_messages(id).await?;
            }
        }
        self.write_requests(limit).await
    }

    async fn write_conversation(&self, conversation: Conversation, limit: i64) -> Result<(), Stop> {
        let id = conversation.id;
        let shown = conversation.member_ids.last().copied();
        let is_whole = usize::try_from(conversation.member_count).is_ok_and(|all| all <= conversation.member_ids.len());
        self.tell(Record::Conversation(Box::new(conversation))).await?;
        let mut after = shown.filter(|_| !is_whole);
        while let Some(last) = after {
            let mut conn = self.app.pg.conn().await?;
            let members = export::members(&mut conn, id, last, limit).await?;
            drop(conn);
            after = members.last().copied();
            if after.is_some() {
                self.tell(Record::ConversationMembers(id, members)).await?;
            }
        }
        Ok(())
    }

    async fn write_messages(&self, conversation: ConversationId) -> Result<(), Stop> {
        let limit = i64::from(self.app.pages.messages.max);
        let mut after = 0;
        loop {
            let mut conn = self.app.pg.conn().await?;
            let mut messages = export::own_messages(&mut conn, conversation, self.user, after, limit).await?;
            drop(conn);
            let Some(last) = messages.last() else { return Ok(()) };
            after = last.sequence;
            self.app.vault.open(messages.iter_mut().collect()).await?;
            for message in messages {
                self.tell(Record::Message(Box::new(message))).await?;
            }
        }
    }

    async fn write_requests(&self, limit: i64) -> Result<(), Stop> {
        let mut after = String::new();
        loop {
            let mut conn = self.app.pg.conn().await?;
            let requests = export::conversation_requests(&mut conn, self.user, &after, limit).await?;
            drop(conn);
            let Some(last) = requests.last() else { return Ok(()) };
            after.clone_from(&last.client_id);
            for request in requests {
                self.tell(Record::ConversationRequest(request)).await?;
            }
        }
    }

    async fn tell(&self, record: Record) -> Result<(), Stop> {
        self.out.send(Ok(record)).await.map_err(|_| Stop::Left)
    }
}
