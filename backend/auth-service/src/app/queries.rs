//! Looking accounts up.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::UserId;
use pg::page::{Binding, Page, PageError};
use protos::auth::v1::ErrorReason as Reason;
use sqlx::PgConnection;
use tracing::instrument;
use uuid::Uuid;

use super::App;
use crate::model::audit::{Event, Kind};
use crate::model::{Email, User};
use crate::storage::user_lists::{self, Slice};
use crate::storage::users;

/// So few accounts are sorted rather than looked for from the newest on.
const FEW: u32 = 10_000;

/// A part of a user name or e-mail; empty for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search(String);

impl Search {
    /// A search for a text of one line.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Whether the trigram indexes can help: they know three letters or digits in a row.
    fn has_trigram(&self) -> bool {
        self.0.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().count() >= 3)
    }

    async fn count(&self, conn: &mut PgConnection) -> Result<i64, pg::Error> {
        match self.pattern() {
            None => user_lists::count_users(conn).await,
            Some(pattern) if self.has_trigram() => user_lists::count_indexed(conn, &pattern).await,
            Some(pattern) => user_lists::count_scanned(conn, &pattern).await,
        }
    }

    /// A page of the `total` accounts that match.
    async fn list(&self, conn: &mut PgConnection, total: u32, slice: Slice) -> Result<Vec<User>, pg::Error> {
        match self.pattern() {
            None => user_lists::list_users(conn, slice).await,
            Some(pattern) if total <= FEW && self.has_trigram() => user_lists::pick_users(conn, &pattern, slice).await,
            Some(pattern) => user_lists::walk_users(conn, &pattern, slice).await,
        }
    }

    /// A LIKE pattern in which nothing of the text is special.
    fn pattern(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut pattern = String::with_capacity(self.0.len() + 2);
        pattern.push('%');
        for character in self.0.chars() {
            if matches!(character, '\\' | '%' | '_') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        Some(pattern)
    }
}

/// A page of accounts.
pub struct UserPage {
    /// Accounts, newest first.
    pub users: Vec<User>,
    /// How many there were on all pages when the first was read.
    pub total: i64,
    /// Token of the next page, if any.
    pub next_page_token: String,
}

/// Why an account is not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of this id.
    #[error("user {0} not found")]
    NotFound(UserId),
    /// None with this e-mail.
    #[error("no user has this e-mail")]
    EmailNotFound,
    /// The caller may not know.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("user", id, Reason::UserNotFound),
            Self::EmailNotFound => Class::not_found("user", "", Reason::UserNotFound),
            Self::Denied(error) => error.class(),
            Self::Page(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// One account.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn user(&self, caller: &Caller, user: UserId) -> Result<User, Error> {
        caller.must_be(user)?;
        let found = users::find_user(&mut *self.pg.conn().await?, user).await?.ok_or(Error::NotFound(user))?;
        self.record_read(caller, "GetUser", &[user]).await?;
        Ok(found)
    }

    /// Many accounts; those that are not there are left out.
    #[instrument(skip_all, fields(users = users.len()))]
    pub async fn users_by_ids(&self, caller: &Caller, users: &[UserId]) -> Result<Vec<User>, Error> {
        caller.must_be_service_or_admin()?;
        let found = users::find_users(&mut *self.pg.conn().await?, users).await?;
        let shown: Vec<UserId> = found.iter().map(|user| user.id).collect();
        self.record_read(caller, "GetUsersByIds", &shown).await?;
        Ok(found)
    }

    /// The account that has an e-mail.
    #[instrument(skip_all)]
    pub async fn user_by_email(&self, caller: &Caller, email: &Email) -> Result<User, Error> {
        caller.must_be_service_or_admin()?;
        let found = users::find_user_by_email(&mut *self.pg.conn().await?, &email.folded()).await?;
        let found = found.ok_or(Error::EmailNotFound)?;
        self.record_read(caller, "GetUserByEmail", &[found.id]).await?;
        Ok(found)
    }

    /// Whether there is a live account of this id.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn user_exists(&self, caller: &Caller, user: UserId) -> Result<bool, Error> {
        caller.must_be_service_or_admin()?;
        let is_live = users::is_live(&mut *self.pg.conn().await?, user).await?;
        self.record_read(caller, "CheckUserExists", &[user]).await?;
        Ok(is_live)
    }

    /// A page of accounts, newest first.
    #[instrument(skip_all)]
    pub async fn list_users(
        &self,
        caller: &Caller,
        search: &Search,
        limit: i32,
        offset: i32,
        page_token: &str,
    ) -> Result<UserPage, Error> {
        caller.must_be_admin()?;
        let binding = Binding::new("ListUsers").arg(&search.0);
        // Counting takes much longer than a page, so the token takes the number along.
        let page: Page<(Uuid, u32)> = Page::parse(self.config.paging.limits(), limit, offset, page_token, binding)?;
        let (before, counted) = page.after().copied().map(|(id, total)| (UserId::from(id), total)).unzip();
        let slice = Slice { before, offset: page.offset(), limit: page.fetch() };
        let mut conn = self.pg.conn().await?;
        let total = match counted {
            Some(total) => total,
            None => u32::try_from(search.count(&mut conn).await?).unwrap_or(u32::MAX),
        };
        let rows = search.list(&mut conn, total, slice).await?;
        drop(conn);
        let (users, next_page_token) = page.finish(rows, |user| (user.id.uuid(), total));
        // Not what was searched for: it may be an e-mail.
        self.record([Event::by(caller, Kind::AdminRead).with("rpc", "ListUsers").with("count", users.len())]).await?;
        Ok(UserPage { users, total: total.into(), next_page_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_search_is_special() {
        assert_eq!(Search::new("").pattern(), None);
        assert_eq!(Search::new("Al_i%c\\e").pattern().as_deref(), Some("%al\\_i\\%c\\\\e%"));
    }
    #[test]
    fn a_trigram_is_three_letters_in_a_row() {
        for (text, has) in [("ali", true), ("al", false), ("al_ic", false), ("@example", true), ("a.b.c", false)] {
            assert_eq!(Search::new(text).has_trigram(), has, "{text}");
        }
    }
}
