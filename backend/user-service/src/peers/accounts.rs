//! Accounts, which the auth service owns: their names for profiles that are not here yet, and their e-mail addresses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cache::Meter;
use chrono::DateTime;
use ids::UserId;
use moka::sync::Cache;
use protos::auth::v1 as pb;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use rpc::PeerChannel;
use tonic::{Code, Status};

use crate::metrics::Metrics;
use crate::model::{Account, DisplayName, Username};

/// Accounts that one call asks for. The auth service takes as many from services, however few its operator lets others ask
/// for; if one takes fewer all the same, the batch is halved until it fits.
const BATCH: usize = 100;
/// E-mail addresses that are remembered. They never change; the bound is on memory.
const EMAILS: u64 = 10_000;
/// How long an address is remembered, so that those of deleted accounts are forgotten.
const EMAIL_LIFE: Duration = Duration::from_secs(600);
/// An e-mail address is worth no longer wait than this; without it the field is absent.
const EMAIL_WAIT: Duration = Duration::from_millis(400);
/// After a failure no e-mail addresses are asked for during this time.
const EMAIL_PAUSE: Duration = Duration::from_secs(1);
/// Ids without an account that are remembered: the server makes ids, so that one that is unknown does not become known, and
/// somebody who asks for made-up ids again and again does not reach the auth service each time.
const STRANGERS: u64 = 10_000;
/// How long they are remembered.
const STRANGER_LIFE: Duration = Duration::from_secs(10);

/// The auth service does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the auth service does not answer")]
pub struct Unreachable(#[source] Status);

/// Asks the auth service.
pub struct Accounts {
    client: AuthServiceClient<PeerChannel>,
    emails: Cache<UserId, Arc<str>>,
    emails_meter: Meter,
    strangers: Cache<UserId, ()>,
    paused_until: Mutex<Option<Instant>>,
    metrics: Metrics,
}

impl Accounts {
    /// Asks over this channel.
    pub fn new(channel: PeerChannel, metrics: Metrics) -> Self {
        Self {
            client: AuthServiceClient::new(channel),
            emails: Cache::builder().max_capacity(EMAILS).time_to_live(EMAIL_LIFE).build(),
            emails_meter: Meter::new("emails"),
            strangers: Cache::builder().max_capacity(STRANGERS).time_to_live(STRANGER_LIFE).build(),
            paused_until: Mutex::default(),
            metrics,
        }
    }

    /// The accounts of those ids that have one. It takes as long for the `hidden`, who are here and must seem not to be: they
    /// are asked for, and remembered, like those who are nowhere.
    ///
    /// # Errors
    /// [`Unreachable`] if it can't be known.
    pub async fn find(&self, users: &[UserId], hidden: &[UserId]) -> Result<Vec<Account>, Unreachable> {
        let all = users.iter().chain(hidden).copied();
        let asked: Vec<UserId> = all.filter(|user| !self.strangers.contains_key(user)).collect();
        let mut accounts = Vec::new();
        for batch in asked.chunks(BATCH) {
            let found = self.fetch(batch).await?;
            for id in batch {
                match found.get(&id.to_string()) {
                    Some(user) if !hidden.contains(id) => accounts.push(account(*id, user)?),
                    _ => self.strangers.insert(*id, ()),
                }
            }
        }
        Ok(accounts)
    }

    /// The e-mail addresses of those accounts whose address can be known within a short wait.
    pub async fn emails(&self, users: &[UserId]) -> HashMap<UserId, Arc<str>> {
        let mut known = HashMap::new();
        let mut missing = Vec::new();
        for user in users {
            match self.emails.get(user) {
                Some(email) => {
                    self.emails_meter.hit();
                    known.insert(*user, email);
                }
                None => {
                    self.emails_meter.miss();
                    missing.push(*user);
                }
            }
        }
        if missing.is_empty() || self.is_paused() {
            return known;
        }
        for batch in missing.chunks(BATCH) {
            let Ok(Ok(found)) = tokio::time::timeout(EMAIL_WAIT, self.fetch(batch)).await else {
                self.pause();
                break;
            };
            for id in batch {
                if let Some(user) = found.get(&id.to_string()) {
                    let email: Arc<str> = user.email.as_str().into();
                    self.emails.insert(*id, Arc::clone(&email));
                    known.insert(*id, email);
                }
            }
        }
        known
    }

    /// Forgets what was remembered of an account that ended.
    pub fn forget(&self, user: UserId) {
        self.emails.invalidate(&user);
    }

    /// Writes the gauges.
    pub fn record_metrics(&self) {
        self.emails.run_pending_tasks();
        self.emails_meter.entries(self.emails.entry_count());
    }

    async fn fetch(&self, users: &[UserId]) -> Result<HashMap<String, pb::User>, Unreachable> {
        let mut found = HashMap::with_capacity(users.len());
        let mut waiting = vec![users];
        while let Some(batch) = waiting.pop() {
            match self.ask(batch).await {
                Ok(some) => found.extend(some),
                // The ids are good, so there are too many of them.
                Err(status) if status.code() == Code::InvalidArgument && batch.len() > 1 => {
                    let (one, other) = batch.split_at(batch.len() / 2);
                    waiting.extend([one, other]);
                }
                Err(status) => {
                    self.metrics.accounts_unreachable();
                    tracing::warn!(status.code = ?status.code(), "accounts can't be asked for: {}", status.message());
                    return Err(Unreachable(status));
                }
            }
        }
        Ok(found)
    }

    async fn ask(&self, users: &[UserId]) -> Result<HashMap<String, pb::User>, Status> {
        let user_ids = users.iter().map(UserId::to_string).collect();
        let request = rpc::idempotent(pb::GetUsersByIdsRequest { user_ids });
        Ok(self.client.clone().get_users_by_ids(request).await?.into_inner().users)
    }

    fn is_paused(&self) -> bool {
        let paused_until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        paused_until.is_some_and(|until| Instant::now() < until)
    }

    fn pause(&self) {
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + EMAIL_PAUSE);
    }
}

fn account(id: UserId, user: &pb::User) -> Result<Account, Unreachable> {
    let unreadable = |fault: String| Unreachable(Status::internal(format!("account {id} can't be read: {fault}")));
    let created_at = DateTime::parse_from_rfc3339(&user.created_at).map_err(|e| unreadable(e.to_string()))?;
    Ok(Account {
        id,
        username: Username::parse(user.username.as_str()).map_err(|e| unreadable(e.to_string()))?,
        display_name: DisplayName::parse(user.username.as_str()).map_err(|e| unreadable(e.to_string()))?,
        created_at: created_at.to_utc(),
    })
}
