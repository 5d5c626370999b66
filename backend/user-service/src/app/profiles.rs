//! Reading and changing profiles.

use std::collections::HashMap;
use std::sync::Arc;

use authn::Caller;
use errors::FieldViolation;
use ids::UserId;
use uuid::Uuid;

use super::{App, Error, outbox, viewer};
use crate::model::{Profile, ProfileUpdate};
use crate::storage::profiles;

/// A profile as one caller sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The profile.
    pub profile: Profile,
    /// The e-mail address, for who may see it and while it can be known.
    pub email: Option<Arc<str>>,
}

impl App {
    /// Reads one profile.
    pub async fn get_user_profile(&self, caller: &Caller, user: UserId) -> Result<Shown, Error> {
        let viewer = viewer(caller);
        let mut found = self.find(viewer, user).await?;
        if found.is_none() && self.adopt(&[user]).await? {
            found = self.find(viewer, user).await?;
        } else if found.as_ref().is_some_and(|found| !found.is_visible()) {
            self.adopt_beside(&[], &[user]).await?;
        }
        let profile = found.and_then(profiles::Found::visible).ok_or(Error::UserNotFound(user))?;
        self.show_one(caller, profile).await
    }

    async fn find(&self, viewer: Option<UserId>, user: UserId) -> Result<Option<profiles::Found>, Error> {
        let mut conn = self.pool.conn().await?;
        Ok(profiles::find(&mut conn, viewer, user).await?)
    }

    /// Reads the profiles of those users that there are and that show themselves to the caller.
    pub async fn get_user_profiles_by_ids(&self, caller: &Caller, users: &[UserId]) -> Result<Vec<Shown>, Error> {
        let max = self.batches.profiles;
        if users.is_empty() || users.len() > max {
            return Err(
                FieldViolation::new("user_ids", format!("must name 1 to {max} users, names {}", users.len())).into()
            );
        }
        let mut ids: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
        ids.sort_unstable();
        ids.dedup();
        let viewer = viewer(caller);
        let mut found = self.find_many(viewer, &ids).await?;
        let hidden: Vec<UserId> = found.iter().filter(|f| !f.is_visible()).map(|f| f.profile.id).collect();
        if found.len() < ids.len() || !hidden.is_empty() {
            let here: Vec<Uuid> = found.iter().map(|f| f.profile.id.uuid()).collect();
            let missing: Vec<UserId> = ids.iter().filter(|id| !here.contains(id)).copied().map(UserId::from).collect();
            match self.adopt_beside(&missing, &hidden).await {
                Ok(false) => {}
                Ok(true) => {
                    let missing: Vec<Uuid> = missing.iter().map(|user| user.uuid()).collect();
                    found.extend(self.find_many(viewer, &missing).await?);
                }
                // Those that are here are worth more than the chance that a missing id is not made up.
                Err(Error::Accounts(_)) => {
                    tracing::debug!("unknown ids are left out: the auth service does not answer")
                }
                Err(error) => return Err(error),
            }
        }
        let visible = found.into_iter().filter_map(profiles::Found::visible).collect();
        Ok(self.show(caller, visible).await)
    }

    async fn find_many(&self, viewer: Option<UserId>, ids: &[Uuid]) -> Result<Vec<profiles::Found>, Error> {
        let mut conn = self.pool.conn().await?;
        Ok(profiles::find_many(&mut conn, viewer, ids).await?)
    }

    /// The visible profiles of `ids`, in their order.
    pub(super) async fn in_order(
        &self,
        caller: &Caller,
        viewer: Option<UserId>,
        ids: &[Uuid],
    ) -> Result<Vec<Shown>, Error> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let found = self.find_many(viewer, ids).await?;
        let mut by_id: HashMap<Uuid, Profile> =
            found.into_iter().filter_map(profiles::Found::visible).map(|p| (p.id.uuid(), p)).collect();
        let ordered = ids.iter().filter_map(|id| by_id.remove(id)).collect();
        Ok(self.show(caller, ordered).await)
    }

    /// Changes the fields that are set.
    pub async fn update_user_profile(
        &self,
        caller: &Caller,
        user: UserId,
        change: &ProfileUpdate,
        expected_version: i64,
    ) -> Result<Shown, Error> {
        caller.must_be(user)?;
        if change.is_empty() {
            let profile = self.own_profile(user).await?;
            return match expected_version {
                0 => self.show_one(caller, profile).await,
                v if v == profile.version => self.show_one(caller, profile).await,
                _ => Err(Error::VersionConflict(profile.version)),
            };
        }
        if let Some(profile) = self.try_update(user, change, expected_version).await? {
            return self.show_one(caller, profile).await;
        }
        // Nothing was changed: another version, a deleted account, or a profile that is not here yet.
        let profile = self.own_profile(user).await?;
        if expected_version != 0 && profile.version != expected_version {
            return Err(Error::VersionConflict(profile.version));
        }
        let changed = self.try_update(user, change, expected_version).await?;
        self.show_one(caller, changed.ok_or(Error::VersionConflict(profile.version))?).await
    }

    async fn try_update(
        &self,
        user: UserId,
        change: &ProfileUpdate,
        expected_version: i64,
    ) -> Result<Option<Profile>, Error> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let changed = profiles::update(&mut tx, user, change, expected_version, now).await?;
        self.commit_and_tell(tx, changed.as_ref().map(|profile| outbox::updated(user, profile.version, now))).await?;
        Ok(changed)
    }

    /// A live profile, whoever has blocked whom; made if the account is new.
    async fn own_profile(&self, user: UserId) -> Result<Profile, Error> {
        let mut found = self.find(None, user).await?;
        if found.is_none() && self.adopt(&[user]).await? {
            found = self.find(None, user).await?;
        }
        found.and_then(profiles::Found::visible).ok_or(Error::UserNotFound(user))
    }

    async fn show_one(&self, caller: &Caller, profile: Profile) -> Result<Shown, Error> {
        let user = profile.id;
        self.show(caller, vec![profile]).await.pop().ok_or(Error::UserNotFound(user))
    }

    /// Adds the e-mail addresses that the caller may see: their own, or all for services and administrators.
    pub(super) async fn show(&self, caller: &Caller, profiles: Vec<Profile>) -> Vec<Shown> {
        let sees_all = caller.is_service() || caller.is_admin();
        let open: Vec<UserId> =
            profiles.iter().map(|p| p.id).filter(|id| sees_all || caller.user_id() == Some(*id)).collect();
        let mut emails = if open.is_empty() { HashMap::new() } else { self.accounts.emails(&open).await };
        profiles
            .into_iter()
            .map(|profile| {
                let email = emails.remove(&profile.id);
                Shown { profile, email }
            })
            .collect()
    }
}
