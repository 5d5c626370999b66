//! What this service does about events of the others (docs/EVENTS.md).
//!
//! One replica erases what is left of a deleted account. Every replica forgets who may write to whom when that may have changed:
//! sooner than its memory grows old by itself, and also if the user service's call did not reach it.

use std::sync::Arc;

use errors::{Classify, Kind as ErrorKind};
use events::{Event, Handler, HandlerError, Kind, Payload};
use ids::UserId;
use protos::events::v1::{ProfileUpdated, UserBlocked, UserDeleted, UserFollowed, UserUnblocked, UserUnfollowed};
use sqlx::PgConnection;

use super::App;
use super::contact_view::ContactView;

/// The name of the consumer.
pub const CONSUMER: &str = "messaging.accounts";

/// Erases deleted accounts. DeleteAccount calls this service too, and again until it has answered; all that is done may be
/// done twice, so it has transactions of its own.
pub struct AccountHandler(pub Arc<App>);

impl Handler for AccountHandler {
    const KINDS: &'static [Kind] = &[UserDeleted::KIND];

    async fn handle(&self, _: &mut PgConnection, event: &Event) -> Result<(), HandlerError> {
        let UserDeleted { user_id } = event.decode()?;
        let user = UserId::parse(&user_id).map_err(HandlerError::permanent)?;
        let erased = self.0.erase_user(user).await;
        erased.map_err(|error| match error.class().kind() {
            ErrorKind::Internal => HandlerError::permanent(error),
            _ => HandlerError::transient(error),
        })
    }
}

/// Forgets what an event may have made wrong.
pub fn learn_contact(view: &ContactView, event: &Event) {
    if let Some((user, other)) = changed_contact(event) {
        view.invalidate(user, other);
    }
}

/// Between whom it may have changed who may write to whom: two people, or one and everybody.
fn changed_contact(event: &Event) -> Option<(UserId, Option<UserId>)> {
    let one = |id: &str| UserId::parse(id).ok().map(|user| (user, None));
    let two = |id: &str, other: &str| Some((UserId::parse(id).ok()?, Some(UserId::parse(other).ok()?)));
    if let Ok(event) = event.decode::<UserBlocked>() {
        two(&event.blocker_id, &event.blocked_id)
    } else if let Ok(event) = event.decode::<UserUnblocked>() {
        two(&event.blocker_id, &event.blocked_id)
    } else if let Ok(event) = event.decode::<UserFollowed>() {
        two(&event.follower_id, &event.followee_id)
    } else if let Ok(event) = event.decode::<UserUnfollowed>() {
        two(&event.follower_id, &event.followee_id)
    } else if let Ok(event) = event.decode::<ProfileUpdated>() {
        one(&event.user_id) // their settings say whose messages they take
    } else if let Ok(event) = event.decode::<UserDeleted>() {
        one(&event.user_id)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use protos::events::v1::FollowRequested;
    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> UserId {
        Uuid::from_u128(n).into()
    }

    fn event<P: Payload>(payload: &P) -> Event {
        Event::new(Uuid::from_u128(9).into(), DateTime::UNIX_EPOCH, Uuid::nil(), payload)
    }

    #[test]
    fn what_may_change_who_writes_to_whom_is_noticed_and_nothing_else() {
        let (a, b) = (user(1).to_string(), user(2).to_string());
        let blocked = UserBlocked { blocker_id: a.clone(), blocked_id: b.clone() };
        let unfollowed = UserUnfollowed { follower_id: a.clone(), followee_id: b.clone() };
        let requested = FollowRequested { follower_id: a.clone(), followee_id: b };
        assert_eq!(changed_contact(&event(&blocked)), Some((user(1), Some(user(2)))));
        assert_eq!(changed_contact(&event(&unfollowed)), Some((user(1), Some(user(2)))));
        assert_eq!(changed_contact(&event(&UserDeleted { user_id: a.clone() })), Some((user(1), None)));
        assert_eq!(changed_contact(&event(&ProfileUpdated { user_id: a, version: 2 })), Some((user(1), None)));
        assert_eq!(changed_contact(&event(&requested)), None);
    }
}
