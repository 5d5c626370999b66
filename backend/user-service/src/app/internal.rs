//! What only Nova's own services call.

use std::collections::HashMap;

use authn::Caller;
use chrono::{DateTime, Utc};
use errors::FieldViolation;
use ids::UserId;
use uuid::Uuid;

use super::{App, Error, outbox};
use crate::memory::Stale;
use crate::model::{Account, ContactFacts, Verdict};
use crate::storage::{contacts, counts, follows, locks, profiles};

/// Follows of a deleted account that end in one transaction: few enough to hold their locks for milliseconds.
const ENDED_AT_ONCE: i64 = 500;

impl App {
    /// Makes the profile of a new account, or completes one that was made before this announcement. Tells whether it was not
    /// there.
    pub async fn ensure_profile(&self, caller: &Caller, account: &Account) -> Result<bool, Error> {
        caller.must_be_service()?;
        Ok(self.make_profile(account).await?)
    }

    /// The same, whoever has told of it. May be done again.
    pub(super) async fn make_profile(&self, account: &Account) -> Result<bool, pg::Error> {
        let now = self.clock.now();
        let _changing = self.memory.changing([Stale::Profile(account.id)]);
        let mut tx = self.pool.begin().await?;
        let made = profiles::insert(&mut tx, account, false).await?;
        let renamed = if made { None } else { profiles::fill_name(&mut tx, account, now).await? };
        self.commit_and_tell(tx, renamed.map(|version| outbox::updated(account.id, version, now))).await?;
        if made {
            self.metrics.profile_made();
        }
        Ok(made)
    }

    /// Deletes the profile of an account that ended, then its follows in small transactions. Tells whether it was not deleted.
    pub async fn delete_profile(
        &self,
        caller: &Caller,
        user: UserId,
        deleted_at: DateTime<Utc>,
    ) -> Result<bool, Error> {
        caller.must_be_service()?;
        Ok(self.end_account(user, deleted_at).await?)
    }

    /// The same, whoever has told of it. May be done again.
    pub(super) async fn end_account(&self, user: UserId, deleted_at: DateTime<Utc>) -> Result<bool, pg::Error> {
        let mut tx = self.pool.begin().await?;
        locks::lock_user(&mut tx, user).await?; // whoever follows at this moment has committed, or will see the deletion
        let changing = self.memory.changing([Stale::Profile(user)]);
        let deleted = profiles::delete(&mut tx, user, deleted_at).await?;
        tx.commit().await?;
        drop(changing);
        if deleted {
            self.metrics.profile_deleted();
        }
        self.accounts.forget(user);
        self.contacts.announce(user, None).await;
        while self.end_some_follows(user).await? {}
        Ok(deleted)
    }

    /// Ends some follows by and of a deleted user. Tells whether there may be more.
    async fn end_some_follows(&self, user: UserId) -> Result<bool, pg::Error> {
        let mut tx = self.pool.begin().await?;
        locks::lock_user(&mut tx, user).await?;
        let mut ended = follows::delete_by_follower(&mut tx, user, ENDED_AT_ONCE).await?;
        if ended.is_empty() {
            ended = follows::delete_by_followee(&mut tx, user, ENDED_AT_ONCE).await?;
        }
        counts::change(&mut tx, &ended, -1).await?;
        let counted = ended.iter().flat_map(|follow| [follow.follower, follow.followee]);
        let _changing = self.memory.changing(counted.map(Stale::Profile));
        tx.commit().await?;
        Ok(!ended.is_empty())
    }

    /// Tells for each user, once, whether `actor` may write to them.
    pub async fn check_contact(
        &self,
        caller: &Caller,
        actor: UserId,
        users: &[UserId],
    ) -> Result<Vec<(UserId, Verdict)>, Error> {
        caller.must_be_service()?;
        let max = self.batches.contacts;
        if users.is_empty() || users.len() > max {
            return Err(
                FieldViolation::new("user_ids", format!("must name 1 to {max} users, names {}", users.len())).into()
            );
        }
        let mut facts = self.contact_facts(actor, users).await?;
        let mut unknown: Vec<UserId> = users.iter().copied().filter(|user| !facts.contains_key(user)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() && self.adopt(&unknown).await? {
            facts.extend(self.contact_facts(actor, &unknown).await?);
        }
        let mut seen = std::collections::HashSet::with_capacity(users.len());
        let verdict = |user: &UserId| facts.get(user).map_or(Verdict::NotFound, |facts| facts.verdict());
        Ok(users.iter().filter(|user| seen.insert(**user)).map(|user| (*user, verdict(user))).collect())
    }

    async fn contact_facts(&self, actor: UserId, users: &[UserId]) -> Result<HashMap<UserId, ContactFacts>, Error> {
        let ids: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
        let mut conn = self.pool.conn().await?;
        Ok(contacts::facts(&mut conn, actor, &ids).await?.into_iter().collect())
    }
}
