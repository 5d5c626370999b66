//! Acts on what the auth service tells of accounts.
//!
//! Register and DeleteAccount call this service too, and again until it has answered; who comes first does not matter. All that is
//! done here may be done twice, so it has transactions of its own: ending many follows takes many.

use std::sync::Arc;

use events::{Event, Handler, HandlerError, Kind, Payload};
use ids::UserId;
use protos::events::v1::{UserDeleted, UserRegistered, UserUpdated};
use sqlx::PgConnection;

use super::App;
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
    /// Forgets what this process remembers of an account that has changed.
    pub fn see(&self, event: &Event) {
        let user_id = match (event.decode::<UserUpdated>(), event.decode::<UserDeleted>()) {
            (Ok(updated), _) => updated.user_id,
            (_, Ok(deleted)) => deleted.user_id,
            _ => return,
        };
        if let Ok(user) = UserId::parse(&user_id) {
            self.accounts.forget(user);
        }
    }
}
