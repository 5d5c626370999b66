//! Use cases: who may, in which order, in which transaction. One method an RPC.

pub mod accounts;
mod error;
mod export;
mod internal;
mod lists;
mod outbox;
mod profiles;
mod relationships;
mod search;
mod settings;

use std::sync::Arc;

use authn::Caller;
use clock::Clock;
use events::Wake;
use ids::UserId;
use pg::Pool;
use pg::page::{Binding, Limits, Page};

pub use error::Error;
pub use export::{Record, Tie};
pub use profiles::Shown;

use crate::memory::{Memory, Stale};
use crate::metrics::Metrics;
use crate::model::{Pair, View};
use crate::peers::{Accounts, Contacts};
use crate::storage::profiles as profiles_table;

/// Everything that the use cases work with.
pub struct App {
    /// The service's database.
    pub pool: Pool,
    /// The time.
    pub clock: Clock,
    /// The auth service.
    pub accounts: Accounts,
    /// The messaging service.
    pub contacts: Contacts,
    /// Page sizes.
    pub paging: Limits,
    /// Bounds of batches.
    pub batches: Batches,
    /// What is remembered of the database.
    pub memory: Memory,
    /// Tells the relay that there are events.
    pub news: Wake,
    /// Counters.
    pub metrics: Metrics,
}

/// How many ids one call may name.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// In GetUserProfilesByIds.
    pub profiles: usize,
    /// In CheckContact.
    pub contacts: usize,
}

/// The paging fields of a request.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// Rows at most; 0 is the default.
    pub limit: i32,
    /// Rows to pass over.
    pub offset: i32,
    /// Where the page before ended.
    pub page_token: String,
}

/// A page of users.
pub struct Users {
    /// The users, in the list's order.
    pub profiles: Vec<Shown>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
}

impl App {
    /// Writes gauges into the metrics.
    pub fn record_metrics(&self) {
        self.pool.record_metrics();
        self.memory.record_metrics();
        self.accounts.record_metrics();
    }

    fn page<K>(&self, args: &PageArgs, binding: Binding) -> Result<Page<K>, Error>
    where
        K: serde::Serialize + serde::de::DeserializeOwned,
    {
        Ok(Page::parse(self.paging, args.limit, args.offset, &args.page_token, binding)?)
    }

    /// Makes the profiles of those `users` whose accounts exist. Tells whether there were any.
    ///
    /// A profile is missing here only if its account is so new that the auth service has not announced it yet, or if the id is
    /// made up. Callers hold no database connection meanwhile. The display name that Register took comes with the announcement.
    async fn adopt(&self, users: &[UserId]) -> Result<bool, Error> {
        self.adopt_beside(users, &[]).await
    }

    /// The same, which takes as long for those who are here and hide from the caller as for those who do not exist.
    async fn adopt_beside(&self, users: &[UserId], hidden: &[UserId]) -> Result<bool, Error> {
        let accounts = self.accounts.find(users, hidden).await?;
        if accounts.is_empty() {
            return Ok(false);
        }
        let _changing = self.memory.changing(accounts.iter().map(|account| Stale::Profile(account.id)));
        let mut conn = self.pool.conn().await?;
        for account in &accounts {
            if profiles_table::insert(&mut conn, account, true).await? {
                self.metrics.profile_adopted();
                tracing::info!(user.id = %account.id, "made the profile of account {} when it was asked for", account.id);
            }
        }
        Ok(true)
    }
}

/// Whose blocks matter for what a caller sees: a person's. Services and administrators see everybody.
fn viewer(caller: &Caller) -> Option<UserId> {
    if caller.is_service() || caller.is_admin() { None } else { caller.user_id() }
}

/// What a caller may know of a pair.
fn view(caller: &Caller, pair: Pair) -> View {
    match viewer(caller) {
        None => View::Service,
        Some(user) if user == pair.first => View::First,
        Some(_) => View::Second,
    }
}

/// Shared by the gRPC server and whoever else calls.
pub type SharedApp = Arc<App>;
