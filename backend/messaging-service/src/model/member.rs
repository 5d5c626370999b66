//! Membership and what a role allows.

use chrono::{DateTime, Utc};
use ids::UserId;

/// What a member may do, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everything; each group has exactly one.
    Owner,
    /// Rename, add, remove members, delete messages.
    Admin,
    /// Read and write.
    Member,
}

impl Role {
    /// The number in the database.
    pub const fn code(self) -> i16 {
        match self {
            Self::Owner => 1,
            Self::Admin => 2,
            Self::Member => 3,
        }
    }

    /// Reads the number in the database.
    pub const fn of_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::Owner),
            2 => Some(Self::Admin),
            3 => Some(Self::Member),
            _ => None,
        }
    }

    /// Whether the role may rename the group, add people and delete others' messages.
    pub const fn manages(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    /// Whether the role may remove somebody with the role `other`.
    pub const fn removes(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => matches!(other, Self::Member),
            Self::Member => false,
        }
    }
}

/// Somebody's membership in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Since when, the last time they joined.
    pub joined_at: DateTime<Utc>,
    /// Their read marker.
    pub last_read_sequence: i64,
}

#[cfg(test)]
mod tests {
    use super::Role::{Admin, Member, Owner};
    use super::*;

    #[test]
    fn roles_survive_the_database() {
        for role in [Owner, Admin, Member] {
            assert_eq!(Role::of_code(role.code()), Some(role));
        }
        assert_eq!(Role::of_code(0), None);
    }

    #[test]
    fn administrators_remove_members_only() {
        let allowed = [(Owner, Admin), (Owner, Member), (Admin, Member)];
        for one in [Owner, Admin, Member] {
            for other in [Admin, Member] {
                assert_eq!(one.removes(other), allowed.contains(&(one, other)), "{one:?} removes {other:?}");
            }
        }
        assert!(!Admin.removes(Owner));
    }
}
