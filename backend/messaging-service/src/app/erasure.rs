//! EraseUser: what is left of a deleted account in conversations.

use ids::UserId;
use tracing::instrument;

use super::{App, members};
use crate::storage::members as stored;

/// Groups that are left in one go.
const AT_ONCE: i64 = 50;

impl App {
    /// Destroys a person's key, then ends their memberships in groups. Direct conversations stay: to the other side they are
    /// theirs.
    ///
    /// The key comes first: a crash after it leaves nothing that could be read, and the repeat does the rest.
    ///
    /// # Errors
    /// [`members::Error`].
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn erase_user(&self, user: UserId) -> Result<(), members::Error> {
        self.vault.destroy(user).await?;
        loop {
            let mut conn = self.pg.conn().await?;
            let groups = stored::groups_of(&mut conn, user, AT_ONCE).await?;
            drop(conn);
            if groups.is_empty() {
                return Ok(());
            }
            for group in groups {
                self.leave(group, user).await?;
            }
        }
    }
}
