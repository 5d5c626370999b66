//! Whether one person may write to another.

/// What the user service says of one person who wants to write to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Allowed,
    /// There is no such person.
    NotFound,
    /// A block stands between the two, in whichever direction.
    Blocked,
    /// The other takes no messages from them.
    NotAllowed,
}
