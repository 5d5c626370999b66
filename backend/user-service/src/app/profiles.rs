//! Reading and changing profiles.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use authn::Caller;
use errors::FieldViolation;
use ids::UserId;
use uuid::Uuid;

use super::{App, Error, outbox, viewer};
use crate::memory::Stale;
use crate::model::{Hiders, Profile, ProfileUpdate};
use crate::storage::{blocks, profiles};

/// A profile as one caller sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The profile; others may be shown the same.
    pub profile: Arc<Profile>,
    /// The e-mail address, for who may see it and while it can be known.
    pub email: Option<Arc<str>>,
}

/// What can be said of a profile without asking for this caller alone.
enum Shared {
    /// It is here, and shows itself.
    Shown(Arc<Profile>),
    /// There is none, or a deleted one.
    Nowhere,
    /// Only the database can say.
    Ask,
}

/// Profiles that were looked up.
#[derive(Default)]
struct LookedUp {
    /// Those that show themselves, in no order.
    shown: Vec<Arc<Profile>>,
    /// Those that are there and don't: deleted, or hidden from who looks.
    hidden: Vec<UserId>,
}

impl App {
    /// Reads one profile.
    pub async fn get_user_profile(&self, caller: &Caller, user: UserId) -> Result<Shown, Error> {
        let viewer = viewer(caller);
        let mut found = match self.shared(viewer, user).await? {
            Shared::Shown(profile) => return Ok(Shown { profile, email: None }),
            Shared::Nowhere => None,
            Shared::Ask => self.find(viewer, user).await?,
        };
        if found.is_none() && self.adopt(&[user]).await? {
            found = self.find(viewer, user).await?;
        } else if found.as_ref().is_some_and(|found| !found.is_visible()) {
            self.adopt_beside(&[], &[user]).await?;
        }
        let profile = found.and_then(profiles::Found::visible).ok_or(Error::UserNotFound(user))?;
        self.show_one(caller, profile).await
    }

    /// What is remembered of a profile, or read for all who wait for it.
    ///
    /// Whoever may have changed it a moment ago, over any replica, is to see that: its owner, services, and administrators ask the
    /// database. So does whoever it hides from: refusals come from the database, those of unknown ids too, and so
    /// take as long.
    async fn shared(&self, viewer: Option<UserId>, user: UserId) -> Result<Shared, Error> {
        let Some(viewer) = viewer.filter(|viewer| *viewer != user) else { return Ok(Shared::Ask) };
        if self.hiders(viewer).await?.may_include(user) {
            return Ok(Shared::Ask);
        }
        let pool = self.pool.clone();
        let read = || async move {
            let found = profiles::find(&mut *pool.conn().await?, None, user).await?;
            Ok(found.and_then(profiles::Found::visible))
        };
        let found = self.memory.profiles.get_or_read(user, read).await?;
        Ok(found.map_or(Shared::Nowhere, Shared::Shown))
    }

    /// Who hides from `viewer`.
    async fn hiders(&self, viewer: UserId) -> Result<Arc<Hiders>, Error> {
        let pool = self.pool.clone();
        let read = || async move {
            let blockers = blocks::blockers_of(&mut *pool.conn().await?, viewer, Hiders::MOST + 1).await?;
            Ok(Some(Hiders::of(blockers)))
        };
        let hiders = self.memory.hiders.get_or_read(viewer, read).await?;
        Ok(hiders.unwrap_or_else(|| Arc::new(Hiders::Many)))
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
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        let viewer = viewer(caller);
        let LookedUp { mut shown, hidden } = self.look_up(caller, viewer, &users).await?;
        if shown.len() < users.len() {
            let here: HashSet<UserId> = shown.iter().map(|profile| profile.id).chain(hidden.iter().copied()).collect();
            let missing: Vec<UserId> = users.into_iter().filter(|user| !here.contains(user)).collect();
            match self.adopt_beside(&missing, &hidden).await {
                Ok(false) => {}
                Ok(true) => shown.extend(self.look_up(caller, viewer, &missing).await?.shown),
                // Those that are here are worth more than the chance that a missing id is not made up.
                Err(Error::Accounts(_)) => {
                    tracing::debug!("unknown ids are left out: the auth service does not answer")
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.show(caller, shown).await)
    }

    /// Looks up profiles: those in memory there, the others by one query. Who has to ask for one in [`shared`](Self::shared) has to
    /// here too; `viewer` is whom blocks hide them from.
    async fn look_up(&self, caller: &Caller, viewer: Option<UserId>, users: &[UserId]) -> Result<LookedUp, Error> {
        let mut looked_up = LookedUp::default();
        let mut asked = HashMap::new();
        let hiders = match viewer {
            Some(viewer) => self.hiders(viewer).await?,
            None => Arc::new(Hiders::of(vec![])),
        };
        let may_remember = super::viewer(caller);
        for &user in users {
            let is_shared = may_remember.is_some_and(|own| own != user) && !hiders.may_include(user);
            match is_shared.then(|| self.memory.profiles.get(user)).flatten() {
                Some(profile) => looked_up.shown.push(profile),
                None => drop(asked.insert(user.uuid(), self.memory.profiles.ticket(user))),
            }
        }
        if asked.is_empty() {
            return Ok(looked_up);
        }
        let ids: Vec<Uuid> = asked.keys().copied().collect();
        for found in profiles::find_many(&mut *self.pool.conn().await?, viewer, &ids).await? {
            let id = found.profile.id;
            match (found.visible(), asked.get(&id.uuid())) {
                (Some(profile), Some(ticket)) => {
                    let profile = Arc::new(profile);
                    self.memory.profiles.put(id, *ticket, Arc::clone(&profile));
                    looked_up.shown.push(profile);
                }
                _ => looked_up.hidden.push(id),
            }
        }
        Ok(looked_up)
    }

    /// The visible profiles of `users`, in their order.
    pub(super) async fn in_order(
        &self,
        caller: &Caller,
        viewer: Option<UserId>,
        users: &[UserId],
    ) -> Result<Vec<Shown>, Error> {
        if users.is_empty() {
            return Ok(vec![]);
        }
        let found = self.look_up(caller, viewer, users).await?.shown;
        let mut by_id: HashMap<UserId, Arc<Profile>> = found.into_iter().map(|p| (p.id, p)).collect();
        let ordered = users.iter().filter_map(|user| by_id.remove(user)).collect();
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
        let _changing = self.memory.changing([Stale::Profile(user)]);
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
        self.show(caller, vec![Arc::new(profile)]).await.pop().ok_or(Error::UserNotFound(user))
    }

    /// Adds the e-mail addresses that the caller may see: their own, or all for services and administrators.
    async fn show(&self, caller: &Caller, profiles: Vec<Arc<Profile>>) -> Vec<Shown> {
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
