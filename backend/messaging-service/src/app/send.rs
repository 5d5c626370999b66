//! SendMessage: who may write, then the lanes.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::{ConversationId, MessageId, UserId};
use protos::messaging::v1::ErrorReason as Reason;
use traces::TraceContext;
use tracing::instrument;

use super::contact_view::Pass;
use super::contacts::Refusal;
use super::lanes::{self, Sent};
use super::{App, acting, vault};
use crate::model::{ClientId, Content, Message};
use crate::storage::conversations::Facts;
use crate::storage::members::{self, Standing};
use crate::storage::messages;
use crate::storage::send::NewMessage;

/// Who may write to whom can change while a message waits for its turn, or be too old when it comes; it is looked up
/// again this often.
pub(super) const TRIES: usize = 4;

/// Of a message when it is sent.
const FIRST_VERSION: i64 = 1;

/// Where the call stands in its trace, if that is recorded.
fn recorded() -> Option<TraceContext> {
    traces::current_context().filter(|context| context.is_sampled())
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who sends it, if not the caller.
    pub sender: Option<UserId>,
    /// What it says.
    pub content: Content,
    /// The client's id.
    pub client_id: Option<ClientId>,
}

/// Why a message is not sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such conversation, or the sender is no member.
    #[error("conversation {0} not found")]
    ConversationNotFound(ConversationId),
    /// The client id was used with other content.
    #[error("client_message_id was used for a message with other content")]
    Reused,
    /// The recipient can't be written to.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Who may write to whom changes faster than a message can be stored.
    #[error("who may write to whom is changing right now, try again")]
    Changing,
    /// The lanes.
    #[error(transparent)]
    Lane(#[from] lanes::Error),
    /// The caller.
    #[error(transparent)]
    Denied(#[from] Denied),
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
            Self::Reused => Class::exists("message", "client_message_id", Reason::IdempotencyKeyReused),
            Self::Refused(refusal) => refusal.class(),
            Self::Changing => Class::unavailable(),
            Self::Lane(error) => error.class(),
            Self::Denied(denied) => denied.class(),
            Self::Vault(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

impl App {
    /// Sends a message; it is durable when this returns.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %cmd.conversation))]
    pub async fn send_message(&self, caller: &Caller, cmd: SendMessage) -> Result<Message, Error> {
        let sender = acting(caller, cmd.sender)?;
        let conversation = cmd.conversation;
        let facts = self.facts_of(conversation).await?.ok_or(Error::ConversationNotFound(conversation))?;
        let recipient = match facts {
            Facts::Group => None,
            Facts::Direct(pair) => Some(pair.other(sender).ok_or(Error::ConversationNotFound(conversation))?),
        };
        if !self.vault.knows(sender, conversation) {
            // No stranger makes a key, or learns by the time that it takes that there is such a conversation.
            let mut conn = self.pg.conn().await?;
            let standing = members::standing_of(&mut conn, conversation, sender).await?;
            let Some(Standing::Present(_)) = standing else {
                return Err(Error::ConversationNotFound(conversation));
            };
        }
        let key = self.vault.key_for(sender, conversation).await?;
        let client_id = cmd.client_id.map(|client_id| {
            let hash = cmd.content.hash(key.fingerprint(), conversation, sender, &client_id);
            (client_id, hash)
        });
        let id = MessageId::generate(self.clock.now());
        let kept = self.vault.seal(&key, &cmd.content, (id, conversation, sender, FIRST_VERSION))?;
        let mut message =
            NewMessage { id, conversation, sender, content: cmd.content, kept, client_id, trace: recorded() };
        for _ in 0..TRIES {
            let pass = match self.pass(sender, recipient).await {
                Ok(pass) => pass,
                Err(refusal) => {
                    let mut earlier = self.earlier(message).await?.ok_or(refusal)?;
                    self.vault.open(vec![&mut earlier]).await?;
                    return Ok(earlier);
                }
            };
            match self.lanes.send(message, pass).await? {
                Sent::Stored(mut message) => {
                    self.vault.open(vec![&mut message]).await?;
                    return Ok(message);
                }
                Sent::Reused => return Err(Error::Reused),
                Sent::NotFound => return Err(Error::ConversationNotFound(conversation)),
                Sent::Stale(unsent) => message = unsent,
            }
        }
        Err(Error::Changing)
    }

    async fn pass(&self, sender: UserId, recipient: Option<UserId>) -> Result<Option<Pass>, Refusal> {
        match recipient {
            Some(recipient) => self.contacts.pass(sender, recipient).await.map(Some),
            None => Ok(None),
        }
    }

    /// A retry of a message that was stored before the two fell out is answered like the first try.
    async fn earlier(&self, message: NewMessage) -> Result<Option<Message>, Error> {
        let Some((client_id, hash)) = &message.client_id else { return Ok(None) };
        let mut conn = self.pg.conn().await?;
        let found =
            messages::find_by_client_id(&mut conn, message.conversation, message.sender, client_id.as_str()).await?;
        match found {
            Some((_, Some(stored))) if stored != *hash => Err(Error::Reused),
            Some((earlier, _)) => Ok(Some(earlier)),
            None => Ok(None),
        }
    }
}
