//! Finding users by name.

use authn::Caller;
use ids::UserId;
use pg::page::{Binding, PageError};

use super::{App, Error, PageArgs, Users, viewer};
use crate::model::Query;
use crate::storage::search::{self, Hit};

impl App {
    /// Finds users, the best first.
    pub async fn search_users(&self, caller: &Caller, query: &Query, args: &PageArgs) -> Result<Users, Error> {
        let page = self.page::<Hit>(args, Binding::new("SearchUsers").arg(query.as_str()))?;
        if page.after().is_some_and(|hit| !hit.is_possible()) {
            return Err(PageError::Token.into());
        }
        let viewer = viewer(caller);
        let mut tx = self.pool.begin().await?;
        let hits = search::search(&mut tx, viewer, query, page.after(), page.offset(), page.fetch()).await?;
        tx.commit().await?;
        let (hits, next_page_token) = page.finish(hits, |hit| *hit);
        let ids: Vec<UserId> = hits.iter().map(|hit| hit.id.into()).collect();
        Ok(Users { profiles: self.in_order(caller, viewer, &ids).await?, next_page_token })
    }
}
