//! How two users stand to each other.

use ids::UserId;

/// Both ends of a relation are the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be another user")]
pub struct Yourself;

/// Two different users, in the order of the request: the first acts or asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who acts, or whose view it is.
    pub first: UserId,
    /// The other.
    pub second: UserId,
}

impl Pair {
    /// Two different users.
    ///
    /// # Errors
    /// [`Yourself`] if they are one.
    pub fn new(first: UserId, second: UserId) -> Result<Self, Yourself> {
        if first == second { Err(Yourself) } else { Ok(Self { first, second }) }
    }

    /// The lower and the higher id: the same for both orders.
    pub fn ordered(self) -> (UserId, UserId) {
        (self.first.min(self.second), self.first.max(self.second))
    }

    /// The same two the other way round.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { first: self.second, second: self.first }
    }
}

/// Whether a follow holds or waits for consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowStatus {
    /// It holds, and counts.
    Active,
    /// The followee has not answered yet.
    Pending,
}

impl FollowStatus {
    /// How the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
        }
    }

    /// Reads the database's spelling.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Active, Self::Pending].into_iter().find(|v| v.as_str() == text)
    }
}

/// One row of the follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Who follows.
    pub follower: UserId,
    /// Whom.
    pub followee: UserId,
    /// Whether it counts.
    pub status: FollowStatus,
}

/// How the first of a pair stands to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Neither follows the other.
    None,
    /// The first follows the second.
    Following,
    /// The second follows the first.
    Follower,
    /// Each follows the other.
    Mutual,
    /// The first has blocked the second (or the other way round, for who may know).
    Blocked,
    /// The first waits for the second's consent.
    Pending,
}

/// Who looks at a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The first of the pair, who must not learn of a block by the second.
    First,
    /// The second, who asks how the first stands to them, and must not learn of a block by the first.
    Second,
    /// A service or an administrator.
    Service,
}

/// Everything that is between two users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The first's follow of the second.
    pub follows: Option<FollowStatus>,
    /// The second's follow of the first.
    pub followed_by: Option<FollowStatus>,
    /// Whether the first has blocked the second.
    pub blocks: bool,
    /// Whether the second has blocked the first.
    pub blocked_by: bool,
}

impl Standing {
    /// Whether a block lies between the two.
    pub fn is_blocked_either_way(self) -> bool {
        self.blocks || self.blocked_by
    }

    /// The strongest relation that holds, as `view` may know it.
    pub fn kind(self, view: View) -> Kind {
        let follows = self.follows == Some(FollowStatus::Active);
        let followed = self.followed_by == Some(FollowStatus::Active);
        let is_blocked = match view {
            View::First => self.blocks,
            View::Second => false,
            View::Service => self.is_blocked_either_way(),
        };
        if is_blocked {
            Kind::Blocked
        } else if follows && followed {
            Kind::Mutual
        } else if follows {
            Kind::Following
        } else if self.follows == Some(FollowStatus::Pending) {
            Kind::Pending
        } else if followed {
            Kind::Follower
        } else {
            Kind::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FollowStatus::{Active, Pending};

    fn standing(follows: Option<FollowStatus>, followed_by: Option<FollowStatus>) -> Standing {
        Standing { follows, followed_by, ..Standing::default() }
    }

    #[test]
    fn the_strongest_relation_shows() {
        for (follows, followed_by, kind) in [
            (None, None, Kind::None),
            (Some(Active), None, Kind::Following),
            (None, Some(Active), Kind::Follower),
            (Some(Active), Some(Active), Kind::Mutual),
            (Some(Pending), None, Kind::Pending),
            (Some(Pending), Some(Active), Kind::Pending),
            (None, Some(Pending), Kind::None),
            (Some(Active), Some(Pending), Kind::Following),
        ] {
            for view in [View::First, View::Second, View::Service] {
                assert_eq!(standing(follows, followed_by).kind(view), kind);
            }
        }
    }

    #[test]
    fn a_block_shows_to_who_made_it_and_to_services() {
        let blocker = Standing { blocks: true, ..Standing::default() };
        let blocked = Standing { blocked_by: true, ..Standing::default() };
        for (view, by_first, by_second) in [
            (View::First, Kind::Blocked, Kind::None),
            (View::Second, Kind::None, Kind::None),
            (View::Service, Kind::Blocked, Kind::Blocked),
        ] {
            assert_eq!((blocker.kind(view), blocked.kind(view)), (by_first, by_second), "{view:?}");
        }
    }

    #[test]
    fn a_pair_is_of_two_and_has_one_order() {
        let (a, b) = (UserId::from(uuid::Uuid::from_u128(1)), UserId::from(uuid::Uuid::from_u128(2)));
        assert_eq!(Pair::new(a, a), Err(Yourself));
        let pair = Pair::new(b, a).expect("two users");
        assert_eq!(pair.ordered(), (a, b));
        assert_eq!(pair.reversed().ordered(), (a, b));
    }
}
