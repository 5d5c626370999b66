//! What messages, conversations and memberships are, and the rules that need no database. No I/O.

mod client_id;
mod contact;
mod content;
mod conversation;
mod event;
mod member;
mod message;

pub use client_id::{ClientId, ClientIdError};
pub use contact::Verdict;
pub use content::{Content, ContentError, Encrypted, Kept};
pub use conversation::{Conversation, ConversationView, GroupName, Kind, NameError, Opening, Pair};
pub use event::{Change, Cursor, Event, EventKind, LoggedEvent, NoCursor, Position};
pub use member::{Member, Role};
pub use message::Message;

/// Bounds that an operator can change; the contract names the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a message's text or ciphertext.
    pub content_bytes: usize,
    /// Most members of a group, its owner included.
    pub group_members: usize,
    /// Most ids in one request.
    pub batch: usize,
    /// Most bytes of content on one page, unless a single message has more.
    pub page_bytes: usize,
    /// Members of a conversation up to which each is told of the others' read markers.
    pub read_markers_told_up_to: i32,
}
