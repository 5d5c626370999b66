//! Reading and changing settings.

use authn::Caller;
use ids::UserId;

use super::{App, Error, outbox};
use crate::model::{Settings, SettingsUpdate};
use crate::storage::profiles;
use crate::storage::settings::{self, Stored};

impl App {
    /// Reads a user's settings.
    pub async fn get_user_settings(&self, caller: &Caller, user: UserId) -> Result<Settings, Error> {
        caller.must_be(user)?;
        self.settings_of(user).await
    }

    async fn settings_of(&self, user: UserId) -> Result<Settings, Error> {
        let mut stored = self.stored(user).await?;
        if matches!(stored, Stored::Unknown) && self.adopt(&[user]).await? {
            stored = self.stored(user).await?;
        }
        match stored {
            Stored::Live(settings) => Ok(settings),
            Stored::Unknown | Stored::Deleted => Err(Error::UserNotFound(user)),
        }
    }

    async fn stored(&self, user: UserId) -> Result<Stored, Error> {
        let mut conn = self.pool.conn().await?;
        Ok(settings::find(&mut conn, user).await?)
    }

    /// Changes the settings that are set.
    pub async fn update_user_settings(
        &self,
        caller: &Caller,
        user: UserId,
        change: &SettingsUpdate,
        expected_version: i64,
    ) -> Result<Settings, Error> {
        caller.must_be(user)?;
        let changed = if change.is_empty() { None } else { self.try_upsert(user, change, expected_version).await? };
        let changed = match changed {
            Some(changed) => changed,
            None => {
                // Nothing to change, another version, a deleted account, or a profile that is not here yet.
                let current = self.settings_of(user).await?;
                if expected_version != 0 && current.version != expected_version {
                    return Err(Error::VersionConflict(current.version));
                }
                if change.is_empty() {
                    return Ok(current);
                }
                let changed = self.try_upsert(user, change, expected_version).await?;
                changed.ok_or(Error::VersionConflict(current.version))?
            }
        };
        if change.allow_messages.is_some() {
            self.contacts.announce(user, None).await;
        }
        Ok(changed)
    }

    async fn try_upsert(
        &self,
        user: UserId,
        change: &SettingsUpdate,
        expected_version: i64,
    ) -> Result<Option<Settings>, Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let changed = settings::upsert(&mut tx, user, change, expected_version, now).await?;
        let version = if changed.is_some() { profiles::lock(&mut tx, user).await? } else { None };
        self.commit_and_tell(tx, version.map(|version| outbox::updated(user, version, now))).await?;
        Ok(changed)
    }
}
