//! Acts on what the auth service tells of accounts.
//!
//! Register and DeleteAccount call this service too, and again until it has answered; who comes first does not matter. All that is
//! done here may be done twice, so it has transactions of its own: ending many follows takes many.

use std::sync::Arc;

use events::{Event, Handler, HandlerError, Kind, Payload};
use ids::UserId;
use protos::events::v1::{
    ProfileUpdated, UserBlocked, UserDeleted, UserFollowed, UserRegistered, UserUnblocked, UserUnfollowed, UserUpdated,
};
use sqlx::PgConnection;

use super::App;
use crate::memory::Stale;
use crate::model::{Account, DisplayName, Username};

/// The name of the consumer.
pub const CONSUMER: &str = "user.accounts";

/// See the module.
pub struct AccountHandler(pub Arc<App>);

impl Handler for AccountHandler {
    const KINDS: &'static [Kind] = &[UserRegistered::KIND, UserDeleted::KIND];

    async fn handle(&self, _: &mut PgConnection, event: &Event) -> Result<(), HandlerError> {
        if event.is::<UserRegistered>() {
            let UserRegistered { user_id, username, display_name } = event.decode()?;
            let account = Account {
                id: UserId::parse(&user_id).map_err(HandlerError::permanent)?,
                display_name: DisplayName::parse(display_name.unwrap_or_else(|| username.clone()))
                    .map_err(HandlerError::permanent)?,
                username: Username::parse(username).map_err(HandlerError::permanent)?,
                created_at: event.time,
            };
            self.0.make_profile(&account).await?;
        } else {
            let UserDeleted { user_id } = event.decode()?;
            let user = UserId::parse(&user_id).map_err(HandlerError::permanent)?;
            self.0.end_account(user, event.time).await?;
        }
        Ok(())
    }
}

impl App {
    /// Forgets what this process remembers of what has changed: an account, or what another replica has written.
    pub fn see(&self, event: &Event) {
        let account = event.decode::<UserUpdated>().map(|e| e.user_id);
        if let Ok(user_id) = account.or_else(|_| event.decode::<UserDeleted>().map(|e| e.user_id))
            && let Ok(user) = UserId::parse(&user_id)
        {
            self.accounts.forget(user);
        }
        for stale in stale_by(event) {
            self.memory.forget(stale);
        }
    }
}

/// What an event of this service makes out of date.
fn stale_by(event: &Event) -> Vec<Stale> {
    let ids = |ids: &[String]| ids.iter().filter_map(|id| UserId::parse(id).ok()).collect::<Vec<_>>();
    let counted = |one: String, other: String| ids(&[one, other]).into_iter().map(Stale::Profile).collect();
    if let Ok(e) = event.decode::<ProfileUpdated>() {
        ids(&[e.user_id]).into_iter().map(Stale::Profile).collect()
    } else if let Ok(e) = event.decode::<UserFollowed>() {
        counted(e.follower_id, e.followee_id)
    } else if let Ok(e) = event.decode::<UserUnfollowed>() {
        counted(e.follower_id, e.followee_id)
    } else if let Ok(e) = event.decode::<UserBlocked>() {
        ids(&[e.blocked_id]).into_iter().map(Stale::Hiders).collect()
    } else if let Ok(e) = event.decode::<UserUnblocked>() {
        ids(&[e.blocked_id]).into_iter().map(Stale::Hiders).collect()
    } else {
        vec![]
    }
}
