//! Conversations and what rules them.

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use ids::{ConversationId, UserId};

use super::Message;

const MAX_NAME_CHARS: usize = 100;

/// What kind of conversation it is; never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two people.
    Direct,
    /// A named group with roles.
    Group,
}

impl Kind {
    /// The number in the database.
    pub const fn code(self) -> i16 {
        match self {
            Self::Direct => 1,
            Self::Group => 2,
        }
    }

    /// Reads the number in the database.
    pub const fn of_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::Direct),
            2 => Some(Self::Group),
            _ => None,
        }
    }
}

/// A conversation as all its members see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its kind.
    pub kind: Kind,
    /// The group's name; empty for a direct conversation.
    pub name: String,
    /// Its first members by id.
    pub member_ids: Vec<UserId>,
    /// How many members it has.
    pub member_count: i32,
    /// Who opened it.
    pub created_by: UserId,
    /// The sequence of its newest message.
    pub last_sequence: i64,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When its name or members last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Grows by 1 with each change of name, members or roles.
    pub version: i64,
}

/// A conversation as one member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// The conversation.
    pub conversation: Conversation,
    /// What the member has not read.
    pub unread: i64,
    /// The newest live message.
    pub last_message: Option<Message>,
    /// When a message was last sent, or it was opened.
    pub last_activity_at: DateTime<Utc>,
}

/// The two people of a direct conversation, in the one order that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    low: UserId,
    high: UserId,
}

impl Pair {
    /// Two people in whichever order; nobody makes a pair with themself.
    pub fn try_new(one: UserId, other: UserId) -> Option<Self> {
        match one.cmp(&other) {
            std::cmp::Ordering::Less => Some(Self { low: one, high: other }),
            std::cmp::Ordering::Greater => Some(Self { low: other, high: one }),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// The one with the smaller id.
    pub fn low(&self) -> UserId {
        self.low
    }

    /// The one with the larger id.
    pub fn high(&self) -> UserId {
        self.high
    }

    /// The other side of `user`; nobody if `user` is none of the two.
    pub fn other(&self, user: UserId) -> Option<UserId> {
        match user {
            u if u == self.low => Some(self.high),
            u if u == self.high => Some(self.low),
            _ => None,
        }
    }
}

/// A group's name: 1 to 100 characters, no control characters, no white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

/// The text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_NAME_CHARS} characters without control characters")]
pub struct NameError;

impl GroupName {
    /// Reads a name and drops the white space around it.
    ///
    /// # Errors
    /// [`NameError`] if nothing is left, it is too long or holds control characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = text.trim();
        let fits = !name.is_empty() && name.len() <= 4 * MAX_NAME_CHARS && name.chars().count() <= MAX_NAME_CHARS;
        if fits && !name.chars().any(char::is_control) { Ok(Self(name.to_owned())) } else { Err(NameError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request to open a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// With one other person.
    Direct(UserId),
    /// A group with other people, each once, the creator not among them.
    Group(GroupName, Vec<UserId>),
}

impl Opening {
    /// Everybody besides the creator.
    pub fn others(&self) -> &[UserId] {
        match self {
            Self::Direct(other) => std::slice::from_ref(other),
            Self::Group(_, others) => others,
        }
    }

    /// A fingerprint by which a retry is told from a reused client id; the order of the people does not matter.
    pub fn hash(&self) -> Vec<u8> {
        let mut hash = digest::Context::new(&digest::SHA256);
        let name = match self {
            Self::Direct(_) => "",
            Self::Group(name, _) => name.as_str(),
        };
        hash.update(&(name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        let mut others = self.others().to_vec();
        others.sort_unstable();
        for other in others {
            hash.update(other.uuid().as_bytes());
        }
        hash.finish().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u128) -> UserId {
        UserId::from(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_pair_has_one_order_and_two_sides() {
        let pair = Pair::try_new(user(2), user(1)).expect("two people");
        assert_eq!(Pair::try_new(user(1), user(2)), Some(pair));
        assert_eq!((pair.low(), pair.high()), (user(1), user(2)));
        assert_eq!(
            (pair.other(user(1)), pair.other(user(2)), pair.other(user(3))),
            (Some(user(2)), Some(user(1)), None)
        );
        assert_eq!(Pair::try_new(user(1), user(1)), None);
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(GroupName::parse("  Tea & cake ").expect("valid").as_str(), "Tea & cake");
        assert!(GroupName::parse(&"é".repeat(100)).is_ok());
        for bad in ["", "   ", &"x".repeat(101), "a\tb", "a\0"] {
            assert_eq!(GroupName::parse(bad), Err(NameError), "{bad:?}");
        }
    }

    #[test]
    fn the_hash_does_not_depend_on_the_order_of_people() {
        let group = |name: &str, others: &[u128]| {
            Opening::Group(GroupName::parse(name).expect("valid"), others.iter().map(|n| user(*n)).collect()).hash()
        };
        assert_eq!(group("a", &[1, 2]), group("a", &[2, 1]));
        assert_ne!(group("a", &[1, 2]), group("a", &[1, 3]));
        assert_ne!(group("a", &[1, 2]), group("b", &[1, 2]));
        assert_ne!(group("a", &[1]), Opening::Direct(user(1)).hash());
    }
}
