//! Lists of users that follow, are followed, have asked to follow, or are blocked.

use authn::Caller;
use ids::UserId;
use pg::page::{Binding, Page, PageError};

use super::{App, Error, PageArgs, Users, viewer};
use crate::model::FollowStatus;
use crate::storage::blocks::{self, ListKey, Listed};
use crate::storage::follows::{self, Window};
use crate::storage::profiles::{self, ListGate};

impl App {
    /// Lists who follows a user, and tells how many there are.
    pub async fn get_user_followers(
        &self,
        caller: &Caller,
        owner: UserId,
        args: &PageArgs,
    ) -> Result<(Users, i64), Error> {
        let page = self.page(args, Binding::new("GetUserFollowers").arg(owner))?;
        let window = window(&page)?;
        let gate = self.open_lists(caller, owner).await?;
        let mut conn = self.pool.conn().await?;
        let rows = follows::list_followers(&mut conn, viewer(caller), owner, FollowStatus::Active, window).await?;
        drop(conn);
        Ok((self.users(caller, viewer(caller), &page, rows).await?, gate.follower_count))
    }

    /// Lists whom a user follows, and tells how many there are.
    pub async fn get_user_following(
        &self,
        caller: &Caller,
        owner: UserId,
        args: &PageArgs,
    ) -> Result<(Users, i64), Error> {
        let page = self.page(args, Binding::new("GetUserFollowing").arg(owner))?;
        let window = window(&page)?;
        let gate = self.open_lists(caller, owner).await?;
        let mut conn = self.pool.conn().await?;
        let rows = follows::list_following(&mut conn, viewer(caller), owner, window).await?;
        drop(conn);
        Ok((self.users(caller, viewer(caller), &page, rows).await?, gate.following_count))
    }

    /// Lists who waits for a user's consent.
    pub async fn list_follow_requests(&self, caller: &Caller, owner: UserId, args: &PageArgs) -> Result<Users, Error> {
        caller.must_be(owner)?;
        let page = self.page(args, Binding::new("ListFollowRequests").arg(owner))?;
        let window = window(&page)?;
        let mut conn = self.pool.conn().await?;
        let rows = follows::list_followers(&mut conn, None, owner, FollowStatus::Pending, window).await?;
        drop(conn);
        self.users(caller, None, &page, rows).await
    }

    /// Lists whom a user has blocked; also those who have blocked them back, or the block could not be found again.
    pub async fn list_blocked_users(&self, caller: &Caller, blocker: UserId, args: &PageArgs) -> Result<Users, Error> {
        caller.must_be(blocker)?;
        let page = self.page(args, Binding::new("ListBlockedUsers").arg(blocker))?;
        let window = window(&page)?;
        let mut conn = self.pool.conn().await?;
        let rows = blocks::list(&mut conn, blocker, window).await?;
        drop(conn);
        self.users(caller, None, &page, rows).await
    }

    /// Refuses who may not see the lists of `owner`.
    async fn open_lists(&self, caller: &Caller, owner: UserId) -> Result<ListGate, Error> {
        let mut gate = self.gate(caller, owner).await?;
        if gate.is_none() && self.adopt(&[owner]).await? {
            gate = self.gate(caller, owner).await?;
        } else if gate.as_ref().is_some_and(|g| g.is_deleted || g.hides_from_viewer) {
            self.adopt_beside(&[], &[owner]).await?;
        }
        let gate = gate.filter(|g| !g.is_deleted && !g.hides_from_viewer).ok_or(Error::UserNotFound(owner))?;
        let is_open =
            caller.must_be(owner).is_ok() || gate.privacy_level.shows_lists(gate.is_private, gate.viewer_follows);
        if is_open { Ok(gate) } else { Err(Error::ListPrivate) }
    }

    async fn gate(&self, caller: &Caller, owner: UserId) -> Result<Option<ListGate>, Error> {
        let mut conn = self.pool.conn().await?;
        Ok(profiles::list_gate(&mut conn, viewer(caller), owner).await?)
    }

    async fn users(
        &self,
        caller: &Caller,
        viewer: Option<UserId>,
        page: &Page<ListKey>,
        rows: Vec<Listed>,
    ) -> Result<Users, Error> {
        let (rows, next_page_token) = page.finish(rows, Listed::key);
        let ids: Vec<UserId> = rows.iter().map(|row| row.id.into()).collect();
        Ok(Users { profiles: self.in_order(caller, viewer, &ids).await?, next_page_token })
    }
}

fn window(page: &Page<ListKey>) -> Result<Window, PageError> {
    let below = match page.after() {
        None => Listed::top(),
        Some(key) => key.listed().ok_or(PageError::Token)?,
    };
    Ok(Window { below, offset: page.offset(), fetch: page.fetch() })
}
