//! Opening, reading, listing and renaming conversations.

use authn::{Caller, Denied};
use chrono::DateTime;
use errors::{Class, Classify};
use ids::{ConversationId, UserId};
use pg::page::{Binding, Page, PageError};
use protos::messaging::v1::ErrorReason as Reason;
use tracing::instrument;
use uuid::Uuid;

use super::contacts::Refusal;
use super::{App, acting, fitting, vault};
use crate::model::{ClientId, Conversation, ConversationView, EventKind, GroupName, Kind, Message, Opening, Pair};
use crate::storage::events::NewEvent;
use crate::storage::members::Standing;
use crate::storage::{conversations, events, members, views};

/// Times that a page's key can have: 1970 to 9999. The database knows fewer years than a token can hold.
const ACTIVITY_MICROS: std::ops::Range<i64> = 0..253_402_300_800_000_000;

/// Asks for a page of conversations.
#[derive(Clone, Debug)]
pub struct ListConversations {
    /// Whose, if not the caller's.
    pub user: Option<UserId>,
    /// Conversations a page.
    pub limit: i32,
    /// Conversations to skip.
    pub offset: i32,
    /// Where the page starts.
    pub page_token: String,
}

/// A page of conversations.
#[derive(Debug)]
pub struct ConversationPage {
    /// The conversations, latest activity first.
    pub conversations: Vec<ConversationView>,
    /// All there are.
    pub total_count: i64,
    /// Where the next page starts.
    pub next_page_token: String,
}

/// A change of a group.
#[derive(Clone, Debug)]
pub struct UpdateConversation {
    /// The conversation.
    pub id: ConversationId,
    /// Its new name, if that changes.
    pub name: Option<GroupName>,
    /// The version that the change builds on, if it matters.
    pub expected_version: Option<i64>,
}

/// Why a conversation is not opened, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such conversation, or the caller is no member.
    #[error("conversation {0} not found")]
    NotFound(ConversationId),
    /// The client id was used for another request.
    #[error("client_conversation_id was used for another request")]
    Reused,
    /// A direct conversation has no name.
    #[error("a direct conversation's name and members cannot change")]
    DirectFixed,
    /// The caller's role does not allow it.
    #[error("only the group's owner and administrators can do this")]
    RoleRequired,
    /// It has changed meanwhile.
    #[error("the conversation has changed, its version is {0}")]
    Changed(i64),
    /// Somebody can't be added.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
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
            Self::NotFound(id) => Class::not_found("conversation", id, Reason::ConversationNotFound),
            Self::Reused => Class::exists("conversation", "client_conversation_id", Reason::IdempotencyKeyReused),
            Self::DirectFixed => Class::precondition(Reason::DirectConversationFixed),
            Self::RoleRequired => Class::denied(Reason::RoleRequired),
            Self::Changed(version) => Class::version_conflict(*version),
            Self::Refused(refusal) => refusal.class(),
            Self::Page(error) => error.class(),
            Self::Denied(denied) => denied.class(),
            Self::Vault(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

/// What a step of opening a conversation found.
enum Opened {
    /// There it is.
    Found(ConversationId),
    /// Somebody else was a moment faster: look again.
    Raced,
}

impl App {
    /// Reads a conversation as the caller sees it.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %id))]
    pub async fn get_conversation(&self, caller: &Caller, id: ConversationId) -> Result<ConversationView, Error> {
        let member = caller.user_id().ok_or(Error::NotFound(id))?;
        let mut conn = self.pg.conn().await?;
        let mut view = views::view_of(&mut conn, id, member).await?.ok_or(Error::NotFound(id))?;
        drop(conn);
        self.vault.open(view.last_message.iter_mut().collect()).await?;
        Ok(view)
    }

    /// Reads a page of a user's conversations, latest activity first.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all)]
    pub async fn list_conversations(&self, caller: &Caller, ask: ListConversations) -> Result<ConversationPage, Error> {
        let user = acting(caller, ask.user)?;
        let binding = Binding::new("ListConversations").arg(user);
        let mut page: Page<(i64, Uuid)> =
            Page::parse(self.pages.others, ask.limit, ask.offset, &ask.page_token, binding)?;
        let after = match page.after() {
            Some((micros, id)) if ACTIVITY_MICROS.contains(micros) => {
                let at = DateTime::from_timestamp_micros(*micros).ok_or(PageError::Token)?;
                Some((at, ConversationId::from(*id)))
            }
            Some(_) => return Err(PageError::Token.into()),
            None => None,
        };
        let mut conn = self.pg.conn().await?;
        let (found, total_count) = views::list(&mut conn, user, after, page.offset(), page.fetch()).await?;
        drop(conn);
        let key = |view: &ConversationView| (view.last_activity_at.timestamp_micros(), view.conversation.id.uuid());
        let bytes = |view: &ConversationView| view.last_message.as_ref().map_or(0, Message::content_bytes);
        page.limit = page.limit.min(fitting(&found, self.limits.page_bytes, bytes));
        let (mut conversations, next_page_token) = page.finish(found, key);
        if caller.user_id() != Some(user) {
            // Whoever acts for somebody may see that there is a conversation, but read only what they are part of.
            conversations.iter_mut().for_each(|view| view.last_message = None);
        }
        self.vault.open(conversations.iter_mut().filter_map(|view| view.last_message.as_mut()).collect()).await?;
        Ok(ConversationPage { conversations, total_count, next_page_token })
    }

    /// Opens a conversation, or finds the one that the request or the two people have already.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all)]
    pub async fn create_conversation(
        &self,
        caller: &Caller,
        opening: Opening,
        client_id: Option<ClientId>,
    ) -> Result<Conversation, Error> {
        let creator = caller.person()?;
        let hash = opening.hash();
        let request = client_id.as_ref().map(|client_id| (client_id, hash.as_slice()));
        let id = loop {
            if let Some(id) = self.find_opened(creator, &opening, request).await? {
                break id;
            }
            self.contacts.may_add(creator, opening.others()).await?;
            if let Opened::Found(id) = self.open(creator, &opening, request).await? {
                break id;
            }
        };
        // Who has left the group since then is told nothing of it, not even by a retry.
        let mut conn = self.pg.conn().await?;
        let view = views::view_of(&mut conn, id, creator).await?.ok_or(Error::NotFound(id))?;
        Ok(view.conversation)
    }

    /// The conversation that there is: of the same request, or of the same two people.
    async fn find_opened(
        &self,
        creator: UserId,
        opening: &Opening,
        request: Option<(&ClientId, &[u8])>,
    ) -> Result<Option<ConversationId>, Error> {
        let mut conn = self.pg.conn().await?;
        if let Some((client_id, hash)) = request
            && let Some((id, first_hash)) = conversations::find_request(&mut conn, creator, client_id).await?
        {
            return if first_hash == hash { Ok(Some(id)) } else { Err(Error::Reused) };
        }
        let Some(pair) = pair_of(creator, opening) else { return Ok(None) };
        let Some(id) = conversations::find_pair(&mut conn, pair).await? else { return Ok(None) };
        if let Some((client_id, hash)) = request {
            let now = self.clock.now();
            if !conversations::insert_request(&mut conn, creator, client_id, id, hash, now).await? {
                // The same client id, used twice at once: what counts is what the other request stored.
                let first = conversations::find_request(&mut conn, creator, client_id).await?;
                return if first == Some((id, hash.to_vec())) { Ok(Some(id)) } else { Err(Error::Reused) };
            }
        }
        Ok(Some(id))
    }

    /// One transaction in which the request's and the pair's key decide who was first.
    async fn open(
        &self,
        creator: UserId,
        opening: &Opening,
        request: Option<(&ClientId, &[u8])>,
    ) -> Result<Opened, Error> {
        let now = self.clock.now();
        let id = ConversationId::generate(now);
        let mut tx = self.pg.begin().await?;
        if let Some((client_id, hash)) = request
            && !conversations::insert_request(&mut tx, creator, client_id, id, hash, now).await?
        {
            return Ok(Opened::Raced);
        }
        if let Some(pair) = pair_of(creator, opening)
            && !conversations::insert_pair(&mut tx, pair, id).await?
        {
            return Ok(Opened::Raced);
        }
        let member_count = i32::try_from(opening.others().len() + 1).expect("bounded by the limit of members");
        match opening {
            Opening::Direct(other) => {
                conversations::insert(&mut tx, id, None, creator, member_count, now).await?;
                members::insert(&mut tx, id, None, &[creator, *other], now).await?;
            }
            Opening::Group(name, others) => {
                conversations::insert(&mut tx, id, Some(name), creator, member_count, now).await?;
                members::insert(&mut tx, id, Some(creator), others, now).await?;
            }
        }
        let created = NewEvent { kind: EventKind::ConversationCreated, actor: creator, subjects: &[], message: None };
        events::append(&mut tx, id, created, now).await?;
        self.commit(tx).await?;
        Ok(Opened::Found(id))
    }

    /// Renames a group.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %cmd.id))]
    pub async fn update_conversation(&self, caller: &Caller, cmd: UpdateConversation) -> Result<Conversation, Error> {
        let id = cmd.id;
        let member = caller.user_id().ok_or(Error::NotFound(id))?;
        let mut tx = self.pg.begin().await?;
        let locked = conversations::lock(&mut tx, id, member).await?.ok_or(Error::NotFound(id))?;
        let Some(Standing::Present(role)) = members::standing_of(&mut tx, id, member).await? else {
            return Err(Error::NotFound(id));
        };
        if locked.kind == Kind::Direct {
            return Err(Error::DirectFixed);
        }
        if !role.manages() {
            return Err(Error::RoleRequired);
        }
        if cmd.expected_version.is_some_and(|expected| expected != locked.version) {
            return Err(Error::Changed(locked.version));
        }
        if let Some(name) = &cmd.name {
            let now = self.clock.now();
            if !conversations::rename(&mut tx, id, locked.version, name, now).await? {
                return Err(Error::Changed(locked.version));
            }
            let updated =
                NewEvent { kind: EventKind::ConversationUpdated, actor: member, subjects: &[], message: None };
            events::append(&mut tx, id, updated, now).await?;
        }
        let conversation = conversations::find(&mut tx, id).await?.ok_or(Error::NotFound(id))?;
        self.commit(tx).await?;
        Ok(conversation)
    }
}

fn pair_of(creator: UserId, opening: &Opening) -> Option<Pair> {
    match opening {
        Opening::Direct(other) => Pair::try_new(creator, *other),
        Opening::Group(..) => None,
    }
}
