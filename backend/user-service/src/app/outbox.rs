//! What the other services are told of profiles and relations, in the transaction of the change (docs/EVENTS.md).
//!
//! Everything between two people is one aggregate, since it is the lock on the pair that lets their changes take turns. What
//! happens to a profile or to its owner's settings is told while the profile's row is locked.

use chrono::{DateTime, Utc};
use events::{Event, Payload, outbox};
use ids::{EventId, UserId};
use pg::Tx;
use protos::events::v1::{FollowRequested, ProfileUpdated, UserBlocked, UserFollowed, UserUnblocked, UserUnfollowed};
use uuid::Uuid;

use super::App;
use crate::model::{Follow, FollowStatus, Pair};

/// What stands for a pair, whichever of them comes first: the random parts of both ids make it as good as random.
fn aggregate(pair: Pair) -> Uuid {
    Uuid::from_u128(pair.first.uuid().as_u128() ^ pair.second.uuid().as_u128())
}

fn between<P: Payload>(pair: Pair, payload: &P, now: DateTime<Utc>) -> Event {
    Event::new(EventId::generate(now), now, aggregate(pair), payload).about(pair.first.to_string())
}

/// A follow or a request to follow has begun.
pub(super) fn followed(follow: Follow, now: DateTime<Utc>) -> Event {
    let pair = Pair { first: follow.follower, second: follow.followee };
    let (follower_id, followee_id) = (follow.follower.to_string(), follow.followee.to_string());
    match follow.status {
        FollowStatus::Active => between(pair, &UserFollowed { follower_id, followee_id }, now),
        FollowStatus::Pending => between(pair, &FollowRequested { follower_id, followee_id }, now),
    }
}

/// A follow has ended; nothing for a request, which was none.
pub(super) fn unfollowed(follow: Follow, now: DateTime<Utc>) -> Option<Event> {
    let pair = Pair { first: follow.follower, second: follow.followee };
    let (follower_id, followee_id) = (follow.follower.to_string(), follow.followee.to_string());
    let has_held = follow.status == FollowStatus::Active;
    has_held.then(|| between(pair, &UserUnfollowed { follower_id, followee_id }, now))
}

/// The first has blocked the second.
pub(super) fn blocked(pair: Pair, now: DateTime<Utc>) -> Event {
    let (blocker_id, blocked_id) = (pair.first.to_string(), pair.second.to_string());
    between(pair, &UserBlocked { blocker_id, blocked_id }, now)
}

/// The first has taken a block of the second back.
pub(super) fn unblocked(pair: Pair, now: DateTime<Utc>) -> Event {
    let (blocker_id, blocked_id) = (pair.first.to_string(), pair.second.to_string());
    between(pair, &UserUnblocked { blocker_id, blocked_id }, now)
}

/// A profile, or its owner's settings, have changed.
pub(super) fn updated(user: UserId, version: i64, now: DateTime<Utc>) -> Event {
    Event::new(EventId::generate(now), now, user.uuid(), &ProfileUpdated { user_id: user.to_string(), version })
}

impl App {
    /// Commits a change together with what the other services are told of it.
    pub(super) async fn commit_and_tell(
        &self,
        mut tx: Tx,
        told: impl IntoIterator<Item = Event>,
    ) -> Result<(), pg::Error> {
        let trace = traces::current_context().map(|context| context.to_string());
        let traced = |event: Event| event.traced(trace.clone());
        let told: Vec<Event> = told.into_iter().map(traced).collect();
        outbox::append(&mut tx, &told).await?;
        tx.commit().await?;
        if !told.is_empty() {
            self.news.wake();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_of_a_pair_have_one_aggregate_that_no_other_pair_has() {
        let user = |n| UserId::from(Uuid::from_u128(n));
        let pair = |one, other| Pair { first: user(one), second: user(other) };
        assert_eq!(aggregate(pair(1, 2)), aggregate(pair(2, 1)));
        assert_ne!(aggregate(pair(1, 2)), aggregate(pair(1, 4)));
    }
}
