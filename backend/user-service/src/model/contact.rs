//! Whether one user may write to another.

use super::AllowMessages;

/// What stands between an actor and a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The actor may write.
    Allowed,
    /// No such user, or a deleted one.
    NotFound,
    /// The actor has blocked the user.
    BlockedByActor,
    /// The user has blocked the actor.
    BlockedByUser,
    /// The user's settings leave the actor out.
    NotAllowed,
}

/// What the verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactFacts {
    /// Whether the two are one.
    pub is_actor: bool,
    /// Whether the user exists and is not deleted.
    pub is_live: bool,
    /// Whether the actor has blocked the user.
    pub blocked_by_actor: bool,
    /// Whether the user has blocked the actor.
    pub blocked_by_user: bool,
    /// Whether the user follows the actor.
    pub follows_actor: bool,
    /// What the user has set.
    pub allow_messages: AllowMessages,
}

impl ContactFacts {
    /// The first obstacle that holds.
    pub fn verdict(self) -> Verdict {
        let allows = match self.allow_messages {
            AllowMessages::Everyone => true,
            AllowMessages::Following => self.follows_actor,
            AllowMessages::Nobody => false,
        };
        if !self.is_live {
            Verdict::NotFound
        } else if self.is_actor {
            Verdict::Allowed
        } else if self.blocked_by_actor {
            Verdict::BlockedByActor
        } else if self.blocked_by_user {
            Verdict::BlockedByUser
        } else if allows {
            Verdict::Allowed
        } else {
            Verdict::NotAllowed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: ContactFacts = ContactFacts {
        is_actor: false,
        is_live: true,
        blocked_by_actor: false,
        blocked_by_user: false,
        follows_actor: false,
        allow_messages: AllowMessages::Everyone,
    };

    #[test]
    fn the_first_obstacle_decides() {
        let nobody = ContactFacts { allow_messages: AllowMessages::Nobody, ..OPEN };
        let following = ContactFacts { allow_messages: AllowMessages::Following, ..OPEN };
        for (facts, verdict) in [
            (OPEN, Verdict::Allowed),
            (nobody, Verdict::NotAllowed),
            (ContactFacts { follows_actor: true, ..nobody }, Verdict::NotAllowed),
            (ContactFacts { is_actor: true, ..nobody }, Verdict::Allowed),
            (following, Verdict::NotAllowed),
            (ContactFacts { follows_actor: true, ..following }, Verdict::Allowed),
            (ContactFacts { blocked_by_user: true, ..nobody }, Verdict::BlockedByUser),
            (ContactFacts { blocked_by_user: true, blocked_by_actor: true, ..OPEN }, Verdict::BlockedByActor),
            (ContactFacts { is_live: false, blocked_by_actor: true, ..OPEN }, Verdict::NotFound),
        ] {
            assert_eq!(facts.verdict(), verdict, "{facts:?}");
        }
    }
}
