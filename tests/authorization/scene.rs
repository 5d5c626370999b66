//! People and things that a call can be about, and who calls.

use authn::CallerKind;
use protos::messaging::v1::member::Role;
use protos::messaging::v1::{RemoveMemberRequest, UpdateMemberRoleRequest};
use test_harness::{Outcome, Person, World};
use tokio::sync::OnceCell;

use super::callers::{forged, revoked};
use crate::tokens::SigningKey;

/// What a person says last.
pub const SAID: &str = "what only members may read";

/// A world in which scenes are set.
pub struct Stage {
    pub world: World,
    key: SigningKey,
    shared: [OnceCell<Scene>; CallerKind::ALL.len()],
}

/// Somebody whom calls are about, and somebody who calls.
pub struct Scene {
    pub kind: CallerKind,
    /// Whose data it is: the owner of the group, the sender of the message.
    pub person: Person,
    /// Who calls, where it is a person; the person themself with a forged token too.
    pub caller: Option<Person>,
    /// Empty for who has none.
    pub token: String,
    /// The group, or the direct conversation of the two.
    pub conversation: String,
    /// One more member of the group; the person in a direct conversation.
    pub member: String,
    /// A message of the person's.
    pub message: String,
    /// A message of the caller's, if they could send one.
    pub own_message: String,
}

impl Stage {
    pub async fn set() -> Self {
        let key = SigningKey::new();
        let world = World::own_signing_with(key.pem.clone()).await;
        Self { world, key, shared: std::array::from_fn(|_| OnceCell::new()) }
    }

    /// The scene of a kind that calls share which change nothing.
    pub async fn shared(&self, kind: CallerKind) -> Outcome<&Scene> {
        self.shared[kind as usize].get_or_try_init(|| self.scene(kind)).await
    }

    /// A scene of a call's own.
    pub async fn scene(&self, kind: CallerKind) -> Outcome<Scene> {
        let world = &self.world;
        let [person, other] = world.people(["person", "other"]).await?;
        let caller = match kind {
            CallerKind::Service => None,
            CallerKind::Administrator => Some(world.administrator().await?),
            CallerKind::Stranger
            | CallerKind::FormerMember
            | CallerKind::BlockedBy
            | CallerKind::Blocking
            | CallerKind::Member
            | CallerKind::GroupAdmin => Some(world.person("caller").await?),
            _ => Some(person.clone()),
        };
        let token = match (kind, &caller) {
            (CallerKind::Anonymous, _) => String::new(),
            (CallerKind::RevokedSession, _) => revoked(world, &person).await?,
            (_, None) => world.service_token("user").await?,
            (kind, Some(caller)) if kind.column().is_some() => caller.tokens.access_token.clone(),
            (kind, Some(caller)) => forged(&self.key, kind, &caller.tokens.access_token),
        };
        let (conversation, member) = match (kind, &caller) {
            (CallerKind::BlockedBy | CallerKind::Blocking, Some(caller)) => {
                (person.direct_with(caller).await?.id, person.id.clone())
            }
            (CallerKind::FormerMember | CallerKind::Member | CallerKind::GroupAdmin, Some(caller)) => {
                (person.group_with(&[&other, caller], "a group").await?.id, other.id.clone())
            }
            _ => (person.group_with(&[&other], "a group").await?.id, other.id.clone()),
        };
        let own_message = match (kind, &caller) {
            (
                CallerKind::FormerMember
                | CallerKind::BlockedBy
                | CallerKind::Blocking
                | CallerKind::Member
                | CallerKind::GroupAdmin,
                Some(caller),
            ) => Some(caller.send(&conversation, "their own").await?.id),
            _ => None,
        };
        let message = person.send(&conversation, SAID).await?.id;
        let own_message = own_message.unwrap_or_else(|| message.clone());
        let scene = Scene { kind, person, caller, token, conversation, member, message, own_message };
        scene.relate().await?;
        Ok(scene)
    }
}

impl Scene {
    /// Makes the two stand to each other as the kind says, after they could write to each other.
    async fn relate(&self) -> Outcome {
        let Some(caller) = &self.caller else { return Ok(()) };
        let (person, conversation_id, user_id) = (&self.person, self.conversation.clone(), caller.id.clone());
        let mut messaging = person.clients.messaging.clone();
        match self.kind {
            CallerKind::FormerMember => {
                messaging.remove_member(RemoveMemberRequest { conversation_id, user_id }).await?;
            }
            CallerKind::GroupAdmin => {
                let role = Role::Admin.into();
                messaging.update_member_role(UpdateMemberRoleRequest { conversation_id, user_id, role }).await?;
            }
            CallerKind::BlockedBy => person.block(caller).await?,
            CallerKind::Blocking => caller.block(person).await?,
            _ => {}
        }
        Ok(())
    }

    /// The caller's id; a service has none.
    pub fn caller_id(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| &caller.id)
    }
}
