//! What this process remembers of profiles and of who hides from whom, and how it hears that it changed.
//!
//! A change made by this process is seen in its memory from before its answer on. One made by another replica is seen once what is
//! remembered has reached its age, whatever else happens; usually at once, because replicas tell each other over Redis.

use std::collections::BTreeSet;

use broadcast::{Broadcast, Heard};
use cache::{Cache, Record, Terms};
use ids::UserId;
use uuid::Uuid;

use crate::model::{Hiders, Profile};

/// Bytes of one forgotten thing in a notice: its kind, and the user's id.
const ITEM: usize = 17;

/// The memory. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    /// Live profiles.
    pub profiles: Cache<UserId, Profile, pg::Error>,
    /// Who hides from a person.
    pub hiders: Cache<UserId, Hiders, pg::Error>,
    broadcast: Broadcast,
}

/// Something that a change makes out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    /// A user's profile, its counts among it.
    Profile(UserId),
    /// Who hides from a user.
    Hiders(UserId),
}

impl Record for Profile {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Record for Hiders {
    fn version(&self) -> i64 {
        0
    }
}

impl Memory {
    /// An empty memory; other replicas are told of changes by `broadcast`.
    pub fn new(profiles: Terms, hiders: Terms, broadcast: Broadcast) -> Self {
        let (profiles, hiders) = (Cache::new("profiles", profiles), Cache::new("hiders", hiders));
        Self { profiles, hiders, broadcast }
    }

    /// To be held while these are changed, until the change has been committed and before it is answered. They are forgotten at
    /// its end, also if that comes early: a commit whose answer got lost may have taken place.
    pub fn changing(&self, stale: impl IntoIterator<Item = Stale>) -> Changing<'_> {
        Changing { memory: self, stale: stale.into_iter().collect() }
    }

    /// What to do with what other replicas say.
    pub fn hearing(&self) -> impl Fn(Heard) + Send + use<> {
        let memory = self.clone();
        move |heard| match heard {
            // What was missed is found out by its age.
            Heard::Signal => {}
            Heard::Notice(notice) => items(&notice).for_each(|stale| memory.forget(stale)),
        }
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.profiles.record_metrics();
        self.hiders.record_metrics();
    }

    /// Forgets something that has changed elsewhere.
    pub fn forget(&self, stale: Stale) {
        match stale {
            Stale::Profile(user) => self.profiles.forget(user),
            Stale::Hiders(user) => self.hiders.forget(user),
        }
    }
}

/// A change that is under way. See [`Memory::changing`].
#[must_use = "it forgets when it is dropped"]
pub struct Changing<'a> {
    memory: &'a Memory,
    stale: BTreeSet<Stale>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.stale.iter().for_each(|stale| self.memory.forget(*stale));
        self.memory.broadcast.notify(notice(&self.stale));
    }
}

fn notice(stale: &BTreeSet<Stale>) -> Vec<u8> {
    let mut notice = Vec::with_capacity(stale.len() * ITEM);
    for stale in stale {
        let (kind, user) = match stale {
            Stale::Profile(user) => (b'p', user),
            Stale::Hiders(user) => (b'h', user),
        };
        notice.push(kind);
        notice.extend_from_slice(user.uuid().as_bytes());
    }
    notice
}

/// What a notice names. A kind that only a later release knows is passed over.
fn items(notice: &[u8]) -> impl Iterator<Item = Stale> {
    let (items, _) = notice.as_chunks::<ITEM>();
    items.iter().filter_map(|[kind, id @ ..]| {
        let user = UserId::from(Uuid::from_bytes(*id));
        match kind {
            b'p' => Some(Stale::Profile(user)),
            b'h' => Some(Stale::Hiders(user)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_as_it_was_written_and_anything_else_is_passed_over() {
        let [one, other] = [1, 2].map(|n| UserId::from(Uuid::from_u128(n)));
        let stale = BTreeSet::from([Stale::Profile(one), Stale::Profile(other), Stale::Hiders(one)]);
        let mut bytes = notice(&stale);
        assert_eq!(items(&bytes).collect::<BTreeSet<_>>(), stale);
        bytes[0] = b'?';
        bytes.pop();
        assert_eq!(items(&bytes).collect::<Vec<_>>(), [Stale::Profile(other)]);
        assert_eq!(items(b"").count() + items(&[b'p'; ITEM - 1]).count(), 0);
    }
}
