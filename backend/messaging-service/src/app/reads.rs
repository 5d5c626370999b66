//! Read markers and unread counts.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::{ConversationId, MessageId, UserId};
use protos::messaging::v1::ErrorReason as Reason;
use tracing::instrument;

use super::{App, acting};
use crate::storage::unread;

/// Why nothing is marked or counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such conversation, or the reader is no member.
    #[error("conversation {0} not found")]
    ConversationNotFound(ConversationId),
    /// No such message, or the reader is no member of its conversation.
    #[error("message {0} not found")]
    MessageNotFound(MessageId),
    /// The caller.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::ConversationNotFound(id) => Class::not_found("conversation", id, Reason::ConversationNotFound),
            Self::MessageNotFound(id) => Class::not_found("message", id, Reason::MessageNotFound),
            Self::Denied(denied) => denied.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

impl App {
    /// Marks a message and all before it as read; tells what is left unread in its conversation.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(message.id = %message))]
    pub async fn mark_as_read(
        &self,
        caller: &Caller,
        message: MessageId,
        reader: Option<UserId>,
    ) -> Result<i64, Error> {
        let reader = acting(caller, reader)?;
        let mut conn = self.pg.conn().await?;
        let told_up_to = self.limits.read_markers_told_up_to;
        let marked = unread::mark_read(&mut conn, message, reader, told_up_to, self.clock.now()).await?;
        let marked = marked.ok_or(Error::MessageNotFound(message))?;
        if marked.moved {
            self.events.wake();
        }
        Ok(marked.unread)
    }

    /// Counts what a user has not read, in one conversation or in all.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all)]
    pub async fn get_unread_count(
        &self,
        caller: &Caller,
        user: Option<UserId>,
        conversation: Option<ConversationId>,
    ) -> Result<i64, Error> {
        let reader = acting(caller, user)?;
        let mut conn = self.pg.conn().await?;
        match conversation {
            None => Ok(unread::count_all(&mut conn, reader).await?),
            Some(id) => unread::count_in(&mut conn, id, reader).await?.ok_or(Error::ConversationNotFound(id)),
        }
    }
}
