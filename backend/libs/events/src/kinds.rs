//! Which message is the data of which kind of event.

use protos::events::v1::{
    ConversationCreated, ConversationUpdated, FollowRequested, KeysRotated, MemberAdded, MemberRemoved,
    MemberRoleChanged, MessageDeleted, MessageEdited, MessageSent, MessagesRead, ProfileUpdated, SessionRevoked,
    UserBlocked, UserDeleted, UserFollowed, UserRegistered, UserUnblocked, UserUnfollowed, UserUpdated,
};

use crate::{Kind, Payload, Topic};

macro_rules! kinds {
    ($($topic:ident: $($message:ident = $name:literal),+;)+) => {
        $($(
            impl Payload for $message {
                const KIND: Kind = Kind { name: $name, topic: Topic::$topic };
            }
        )+)+

        /// Every kind of event that there is, and the message of `nova.events.v1` that says it.
        pub const KINDS: &[(Kind, &str)] = &[$($((<$message as Payload>::KIND, stringify!($message)),)+)+];
    };
}

kinds! {
    Auth:
        UserRegistered = "nova.user.registered.v1",
        UserUpdated = "nova.user.updated.v1",
        UserDeleted = "nova.user.deleted.v1",
        SessionRevoked = "nova.user.session_revoked.v1",
        KeysRotated = "nova.auth.keys_rotated.v1";
    User:
        ProfileUpdated = "nova.profile.updated.v1",
        UserFollowed = "nova.user.followed.v1",
        UserUnfollowed = "nova.user.unfollowed.v1",
        FollowRequested = "nova.user.follow_requested.v1",
        UserBlocked = "nova.user.blocked.v1",
        UserUnblocked = "nova.user.unblocked.v1";
    Messaging:
        ConversationCreated = "nova.conversation.created.v1",
        ConversationUpdated = "nova.conversation.updated.v1",
        MemberAdded = "nova.member.added.v1",
        MemberRemoved = "nova.member.removed.v1",
        MemberRoleChanged = "nova.member.role_changed.v1",
        MessageSent = "nova.message.sent.v1",
        MessageEdited = "nova.message.edited.v1",
        MessageDeleted = "nova.message.deleted.v1",
        MessagesRead = "nova.messages.read.v1";
}
