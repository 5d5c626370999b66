//! Who is in a group, and as what.

use authn::Caller;
use errors::{Class, Classify, FieldViolation};
use ids::{ConversationId, UserId};
use pg::Tx;
use pg::page::{Binding, Page, PageError};
use protos::messaging::v1::ErrorReason as Reason;
use tracing::instrument;
use uuid::Uuid;

use super::App;
use super::contacts::Refusal;
use crate::model::{Conversation, EventKind, Kind, Member, Role};
use crate::storage::conversations::{self, Locked};
use crate::storage::events::{self, NewEvent};
use crate::storage::members::{self, Standing};

/// A page of members.
#[derive(Debug)]
pub struct MemberPage {
    /// The members, ordered by user id.
    pub members: Vec<Member>,
    /// All there are.
    pub total: i32,
    /// Where the next page starts.
    pub next_page_token: String,
}

/// Why members are not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such conversation, or the caller is no member.
    #[error("conversation {0} not found")]
    NotFound(ConversationId),
    /// The user was never in the group.
    #[error("user {0} is no member of the group")]
    MemberNotFound(UserId),
    /// A direct conversation keeps its two people.
    #[error("a direct conversation's name and members cannot change")]
    DirectFixed,
    /// The caller's role does not allow it.
    #[error("the caller's role in the group does not allow this")]
    RoleRequired,
    /// The group would become too large.
    #[error("a group has at most {0} members")]
    Full(usize),
    /// An owner stays one until they name another.
    #[error("role: an owner's role changes by giving OWNER to another member")]
    OwnerStays,
    /// Somebody can't be added.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("conversation", id, Reason::ConversationNotFound),
            Self::MemberNotFound(user) => {
                Class::not_found("member", user, Reason::MemberNotFound).meta("user_id", user)
            }
            Self::DirectFixed => Class::precondition(Reason::DirectConversationFixed),
            Self::RoleRequired => Class::denied(Reason::RoleRequired),
            Self::Full(max) => Class::precondition(Reason::ConversationFull).meta("max_members", max),
            Self::OwnerStays => Class::invalid(vec![FieldViolation::new("role", self.to_string())]),
            Self::Refused(refusal) => refusal.class(),
            Self::Page(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

impl App {
    /// Reads a page of a conversation's present members.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %id))]
    pub async fn get_conversation_members(
        &self,
        caller: &Caller,
        id: ConversationId,
        limit: i32,
        page_token: &str,
    ) -> Result<MemberPage, Error> {
        let binding = Binding::new("GetConversationMembers").arg(id);
        let page: Page<Uuid> = Page::parse(self.pages.others, limit, 0, page_token, binding)?;
        let reader = caller.user_id().ok_or(Error::NotFound(id))?;
        let after = page.after().map(|user| UserId::from(*user));
        let mut conn = self.pg.conn().await?;
        let found = members::page_of(&mut conn, id, reader, after, page.fetch()).await?.ok_or(Error::NotFound(id))?;
        let (members, next_page_token) = page.finish(found.members, |member| member.user.uuid());
        Ok(MemberPage { members, total: found.total, next_page_token })
    }

    /// Adds people to a group; tells who was not in before.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %id))]
    pub async fn add_members(
        &self,
        caller: &Caller,
        id: ConversationId,
        users: Vec<UserId>,
    ) -> Result<(Conversation, Vec<UserId>), Error> {
        let actor = caller.user_id().ok_or(Error::NotFound(id))?;
        let newcomers = self.newcomers(actor, id, users).await?;
        // No lock is held while another service is asked.
        self.contacts.may_add(actor, &newcomers).await?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        let (locked, role) = lock_group(&mut tx, id, actor).await?;
        if !role.manages() {
            return Err(Error::RoleRequired);
        }
        let added = members::add(&mut tx, id, &newcomers, locked.last_sequence, now).await?;
        let members = usize::try_from(locked.member_count).unwrap_or(0) + added.len();
        if !added.is_empty() && members > self.limits.group_members {
            return Err(Error::Full(self.limits.group_members));
        }
        if !added.is_empty() {
            let change = i32::try_from(added.len()).expect("bounded by the limit of members");
            conversations::count_members(&mut tx, id, change, now).await?;
            let joined = NewEvent { kind: EventKind::MemberAdded, actor, subjects: &added, message: None };
            events::append(&mut tx, id, joined, now).await?;
        }
        let conversation = conversations::find(&mut tx, id).await?.ok_or(Error::NotFound(id))?;
        self.commit(tx).await?;
        Ok((conversation, added))
    }

    /// Who of `users` has to be added, before anybody is asked about them.
    async fn newcomers(&self, actor: UserId, id: ConversationId, users: Vec<UserId>) -> Result<Vec<UserId>, Error> {
        let mut conn = self.pg.conn().await?;
        let found = members::role_and_present(&mut conn, id, actor, &users).await?;
        let (kind, role, present) = found.ok_or(Error::NotFound(id))?;
        if kind == Kind::Direct {
            return Err(Error::DirectFixed);
        }
        if !role.manages() {
            return Err(Error::RoleRequired);
        }
        Ok(users.into_iter().filter(|user| !present.contains(user)).collect())
    }

    /// Removes a member, or leaves; again, if it is done already.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %id, user.id = %user))]
    pub async fn remove_member(&self, caller: &Caller, id: ConversationId, user: UserId) -> Result<(), Error> {
        let actor = caller.user_id().ok_or(Error::NotFound(id))?;
        if user == actor {
            return self.leave(id, actor).await;
        }
        let mut tx = self.pg.begin().await?;
        let (_, role) = lock_group(&mut tx, id, actor).await?;
        if !role.manages() {
            return Err(Error::RoleRequired);
        }
        match members::standing_of(&mut tx, id, user).await? {
            None => return Err(Error::MemberNotFound(user)),
            Some(Standing::Former) => return Ok(()),
            Some(Standing::Present(other)) if !role.removes(other) => return Err(Error::RoleRequired),
            Some(Standing::Present(_)) => {}
        }
        self.end_membership(&mut tx, id, user, actor).await?;
        Ok(self.commit(tx).await?)
    }

    /// Leaves a group; again, if it is done already. An owner hands it on.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) async fn leave(&self, id: ConversationId, user: UserId) -> Result<(), Error> {
        let mut tx = self.pg.begin().await?;
        let role = match lock_group(&mut tx, id, user).await {
            Ok((_, role)) => role,
            // A retry of who has left already, or was removed meanwhile.
            Err(Error::NotFound(_)) if was_in(&mut tx, id, user).await? => return Ok(()),
            Err(error) => return Err(error),
        };
        self.end_membership(&mut tx, id, user, user).await?;
        if role == Role::Owner
            && let Some(heir) = members::heir_of(&mut tx, id).await?
        {
            members::set_role(&mut tx, id, heir, Role::Owner).await?;
            let inherited =
                NewEvent { kind: EventKind::MemberRoleChanged, actor: user, subjects: &[heir], message: None };
            events::append(&mut tx, id, inherited, self.clock.now()).await?;
        }
        Ok(self.commit(tx).await?)
    }

    async fn end_membership(
        &self,
        tx: &mut Tx,
        id: ConversationId,
        user: UserId,
        actor: UserId,
    ) -> Result<(), pg::Error> {
        let now = self.clock.now();
        members::leave(tx, id, user, now).await?;
        conversations::count_members(tx, id, -1, now).await?;
        let removed = NewEvent { kind: EventKind::MemberRemoved, actor, subjects: &[user], message: None };
        events::append(tx, id, removed, now).await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %id, user.id = %user))]
    pub async fn update_member_role(
        &self,
        caller: &Caller,
        id: ConversationId,
        user: UserId,
        role: Role,
    ) -> Result<Member, Error> {
        let actor = caller.user_id().ok_or(Error::NotFound(id))?;
        let mut tx = self.pg.begin().await?;
        let (_, own_role) = lock_group(&mut tx, id, actor).await?;
        if own_role != Role::Owner {
            return Err(Error::RoleRequired);
        }
        let Some(Standing::Present(before)) = members::standing_of(&mut tx, id, user).await? else {
            return Err(Error::MemberNotFound(user));
        };
        if before == role {
            let found = members::find_many(&mut tx, &[(id, user)]).await?.remove(&(id, user));
            return found.ok_or(Error::MemberNotFound(user));
        }
        if user == actor {
            return Err(Error::OwnerStays);
        }
        let now = self.clock.now();
        if role == Role::Owner {
            members::set_role(&mut tx, id, actor, Role::Admin).await?;
        }
        let member = members::set_role(&mut tx, id, user, role).await?.ok_or(Error::MemberNotFound(user))?;
        conversations::count_members(&mut tx, id, 0, now).await?;
        let both = [user, actor];
        let subjects = if role == Role::Owner { &both[..] } else { &both[..1] };
        let changed = NewEvent { kind: EventKind::MemberRoleChanged, actor, subjects, message: None };
        events::append(&mut tx, id, changed, now).await?;
        self.commit(tx).await?;
        Ok(member)
    }
}

/// Whether somebody was in a group once.
async fn was_in(tx: &mut Tx, id: ConversationId, user: UserId) -> Result<bool, pg::Error> {
    Ok(members::standing_of(tx, id, user).await? == Some(Standing::Former))
}

/// Locks a group for one of its members and reads their role.
async fn lock_group(tx: &mut Tx, id: ConversationId, actor: UserId) -> Result<(Locked, Role), Error> {
    let locked = conversations::lock(tx, id, actor).await?.ok_or(Error::NotFound(id))?;
    let Some(Standing::Present(role)) = members::standing_of(tx, id, actor).await? else {
        return Err(Error::NotFound(id));
    };
    if locked.kind == Kind::Direct {
        return Err(Error::DirectFixed);
    }
    Ok((locked, role))
}
