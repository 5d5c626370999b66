//! Reading, editing and deleting messages.

use authn::Caller;
use chrono::{DateTime, Utc};
use errors::{Class, Classify};
use ids::{ConversationId, MessageId, UserId};
use pg::page::{Binding, Page, PageError};
use protos::messaging::v1::ErrorReason as Reason;
use sealing::ContentKey;
use tracing::instrument;

use super::contact_view::Pass;
use super::contacts::Refusal;
use super::send::TRIES;
use super::{App, fitting, vault};
use crate::model::{Content, EventKind, Kind, Message};
use crate::storage::conversations::Facts;
use crate::storage::events::{self, NewEvent};
use crate::storage::messages::{self, Range};

/// Asks for a page of messages.
#[derive(Clone, Debug)]
pub struct GetMessages {
    /// The conversation.
    pub conversation: ConversationId,
    /// Messages a page.
    pub limit: i32,
    /// Messages to skip.
    pub offset: i32,
    /// Where the page starts.
    pub page_token: String,
    /// Deleted messages too.
    pub include_deleted: bool,
    /// Only smaller sequences.
    pub before: Option<i64>,
    /// Only larger sequences.
    pub after: Option<i64>,
}

/// A page of messages.
#[derive(Debug)]
pub struct MessagePage {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// All there are, whatever the bounds.
    pub total_count: i64,
    /// Where the next page starts.
    pub next_page_token: String,
}

/// An edit.
#[derive(Clone, Debug)]
pub struct UpdateMessage {
    /// The message.
    pub id: MessageId,
    /// What it will say.
    pub content: Content,
    /// The version that the edit builds on, if it matters.
    pub expected_version: Option<i64>,
}

/// Why a message is not read, edited or deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such conversation, or the caller is no member.
    #[error("conversation {0} not found")]
    ConversationNotFound(ConversationId),
    /// No such message, or the caller is no member.
    #[error("message {0} not found")]
    MessageNotFound(MessageId),
    /// Only its sender edits a message.
    #[error("only its sender can edit a message")]
    NotTheSender,
    /// Others' messages are deleted by owners and administrators of a group.
    #[error("only its sender, or a group's owner or administrator, can delete a message")]
    RoleRequired,
    /// The two may not write to each other.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Who may write to whom changes faster than a message can be edited.
    #[error("who may write to whom is changing right now, try again")]
    Changing,
    /// It can't be edited any more.
    #[error("the message is deleted")]
    Deleted,
    /// It has changed meanwhile.
    #[error("the message has changed, its version is {0}")]
    Changed(i64),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Contents can't be sealed or opened.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::ConversationNotFound(id) => Class::not_found("conversation", id, Reason::ConversationNotFound),
            Self::MessageNotFound(id) => Class::not_found("message", id, Reason::MessageNotFound),
            Self::NotTheSender => Class::denied(Reason::NotTheSender),
            Self::RoleRequired => Class::denied(Reason::RoleRequired),
            Self::Refused(refusal) => refusal.class(),
            Self::Changing => Class::unavailable(),
            Self::Deleted => Class::precondition(Reason::MessageDeleted),
            Self::Changed(version) => Class::version_conflict(*version),
            Self::Page(error) => error.class(),
            Self::Vault(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

impl App {
    /// Reads a page of messages, newest first.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %ask.conversation))]
    pub async fn get_messages(&self, caller: &Caller, ask: GetMessages) -> Result<MessagePage, Error> {
        let not_found = || Error::ConversationNotFound(ask.conversation);
        let binding = Binding::new("GetMessages")
            .arg(ask.conversation)
            .arg(ask.include_deleted)
            .arg(ask.before.unwrap_or(i64::MAX))
            .arg(ask.after.unwrap_or(0));
        let mut page: Page<i64> = Page::parse(self.pages.messages, ask.limit, ask.offset, &ask.page_token, binding)?;
        if page.after().is_some_and(|sequence| *sequence < 1) {
            return Err(PageError::Token.into());
        }
        let reader = caller.user_id().ok_or_else(not_found)?;
        let before = ask.before.unwrap_or(i64::MAX);
        let range = Range {
            before: page.after().map_or(before, |last| before.min(*last)),
            after: ask.after.unwrap_or(0),
            include_deleted: ask.include_deleted,
            offset: page.offset(),
            limit: page.fetch(),
        };
        let mut conn = self.pg.conn().await?;
        let found = messages::page_of(&mut conn, ask.conversation, reader, range).await?.ok_or_else(not_found)?;
        drop(conn);
        page.limit = page.limit.min(fitting(&found.messages, self.limits.page_bytes, Message::content_bytes));
        let (mut messages, next_page_token) = page.finish(found.messages, |message| message.sequence);
        self.vault.open(messages.iter_mut().collect()).await?;
        let total_count = if ask.include_deleted { found.last_sequence } else { found.live_count };
        Ok(MessagePage { messages, total_count, next_page_token })
    }

    /// Reads a live message.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(message.id = %id))]
    pub async fn get_message(&self, caller: &Caller, id: MessageId) -> Result<Message, Error> {
        let reader = caller.user_id().ok_or(Error::MessageNotFound(id))?;
        let mut conn = self.pg.conn().await?;
        let mut message = messages::find_live(&mut conn, id, reader).await?.ok_or(Error::MessageNotFound(id))?;
        drop(conn);
        self.vault.open(vec![&mut message]).await?;
        Ok(message)
    }

    /// Edits a message. In a direct conversation that is writing to the other, and refused like a send.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(message.id = %cmd.id))]
    pub async fn update_message(&self, caller: &Caller, cmd: UpdateMessage) -> Result<Message, Error> {
        let editor = caller.user_id().ok_or(Error::MessageNotFound(cmd.id))?;
        let Some(conversation) = self.conversation_of_edit(cmd.id, editor).await? else {
            return Err(self.not_editable(cmd.id, editor).await?);
        };
        let recipient = match self.facts_of(conversation).await? {
            Some(Facts::Direct(pair)) => pair.other(editor),
            Some(Facts::Group) | None => None,
        };
        let key = self.vault.key_for(editor, conversation).await?;
        for _ in 0..TRIES {
            // No lock is held while another service is asked.
            let pass = match recipient {
                Some(recipient) => Some(self.contacts.pass(editor, recipient).await?),
                None => None,
            };
            if let Some(edited) = self.edit(editor, &cmd, &key, pass).await? {
                return Ok(edited);
            }
        }
        Err(Error::Changing)
    }

    /// The conversation of one's own live message.
    async fn conversation_of_edit(&self, id: MessageId, editor: UserId) -> Result<Option<ConversationId>, pg::Error> {
        let mut conn = self.pg.conn().await?;
        messages::conversation_of_own(&mut conn, id, editor).await
    }

    /// Why a message that is not one's own, or is deleted, is not edited.
    async fn not_editable(&self, id: MessageId, editor: UserId) -> Result<Error, Error> {
        let mut tx = self.pg.begin().await?;
        let message = messages::lock(&mut tx, id, editor).await?.ok_or(Error::MessageNotFound(id))?;
        // To others a deleted message does not exist.
        Ok(match (message.sender == editor, message.deleted_at) {
            (true, Some(_)) => Error::Deleted,
            // It was neither a moment ago.
            (true, None) => Error::Changing,
            (false, Some(_)) => Error::MessageNotFound(id),
            (false, None) => Error::NotTheSender,
        })
    }

    /// Edits under the conversation's lock; nothing if the pass is over by then.
    async fn edit(
        &self,
        editor: UserId,
        cmd: &UpdateMessage,
        key: &ContentKey,
        pass: Option<Pass>,
    ) -> Result<Option<Message>, Error> {
        let mut tx = self.pg.begin().await?;
        let message = messages::lock(&mut tx, cmd.id, editor).await?.ok_or(Error::MessageNotFound(cmd.id))?;
        if message.deleted_at.is_some() {
            return Err(Error::Deleted);
        }
        if cmd.expected_version.is_some_and(|expected| expected != message.version) {
            return Err(Error::Changed(message.version));
        }
        let now = self.clock.now();
        // From here to the commit an invalidation waits for us.
        let _writing = self.gate.read().await;
        if pass.is_some_and(|pass| self.contacts.view().time_left(&pass).is_none()) {
            return Ok(None);
        }
        let of = (cmd.id, message.conversation, editor, message.version + 1);
        let kept = self.vault.seal(key, &cmd.content, of)?;
        let edited =
            messages::edit(&mut tx, message.conversation, message.sequence, message.version, &kept, now).await?;
        let mut edited = edited.ok_or(Error::Changed(message.version))?;
        edited.content = Some(cmd.content.clone());
        let event = NewEvent {
            kind: EventKind::MessageEdited,
            actor: editor,
            subjects: &[],
            message: Some((edited.sequence, edited.version)),
        };
        events::append(&mut tx, message.conversation, event, now).await?;
        self.commit(tx).await?;
        Ok(Some(edited))
    }

    /// Deletes a message and tells when it was deleted: on a repeat, the first time.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(message.id = %id))]
    pub async fn delete_message(&self, caller: &Caller, id: MessageId) -> Result<DateTime<Utc>, Error> {
        let member = caller.user_id().ok_or(Error::MessageNotFound(id))?;
        let mut tx = self.pg.begin().await?;
        let message = messages::lock(&mut tx, id, member).await?.ok_or(Error::MessageNotFound(id))?;
        if message.sender != member && !(message.kind == Kind::Group && message.role.manages()) {
            return Err(if message.deleted_at.is_some() { Error::MessageNotFound(id) } else { Error::RoleRequired });
        }
        if let Some(deleted_at) = message.deleted_at {
            return Ok(deleted_at);
        }
        let now = self.clock.now();
        messages::wipe(&mut tx, message.conversation, message.sequence, now).await?;
        let event = NewEvent {
            kind: EventKind::MessageDeleted,
            actor: member,
            subjects: &[],
            message: Some((message.sequence, message.version + 1)),
        };
        events::append(&mut tx, message.conversation, event, now).await?;
        self.commit(tx).await?;
        Ok(now)
    }
}
