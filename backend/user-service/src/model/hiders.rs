//! Who hides from a person because they have blocked them.

use std::collections::HashSet;

use ids::UserId;

/// Who has blocked one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hiders {
    /// These and nobody else.
    Known(HashSet<UserId>),
    /// More than are worth remembering.
    Many,
}

impl Hiders {
    /// How many are worth remembering.
    pub const MOST: usize = 200;

    /// Those who have blocked somebody, of which one more than [`MOST`](Self::MOST) were looked for.
    pub fn of(blockers: Vec<UserId>) -> Self {
        if blockers.len() > Self::MOST { Self::Many } else { Self::Known(blockers.into_iter().collect()) }
    }

    /// Whether `user` hides, or may hide and has to be asked about.
    pub fn may_include(&self, user: UserId) -> bool {
        match self {
            Self::Known(blockers) => blockers.contains(&user),
            Self::Many => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn few_are_known_and_many_have_to_be_asked_about() {
        let users = |n: usize| (0..n).map(|n| UserId::from(Uuid::from_u128(n as u128))).collect::<Vec<_>>();
        let stranger = UserId::from(Uuid::max());
        let few = Hiders::of(users(Hiders::MOST));
        assert!(users(Hiders::MOST).iter().all(|user| few.may_include(*user)) && !few.may_include(stranger));
        assert!(Hiders::of(users(Hiders::MOST + 1)).may_include(stranger));
        assert!(!Hiders::of(vec![]).may_include(stranger));
    }
}
