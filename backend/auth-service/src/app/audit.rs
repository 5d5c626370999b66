//! Writing the audit log.
//!
//! What a transaction changed is written as its last statements, so that there is no change without its row: if the row can't
//! be written the change is undone and the call fails. What was refused has a transaction of its own; if that fails, the call
//! fails with that.

use std::hash::Hash;
use std::sync::Arc;

use authn::Caller;
use chrono::{DateTime, Utc};
use clock::Clock;
use errors::common;
use ids::UserId;
use pg::request::InRequest;
use pg::{Pool, Tx};
use sealing::MasterKey;
use sqlx::PgConnection;
use tokio::runtime::Handle;

use super::App;
use super::repeats::Repeats;
use crate::model::audit::{Entry, Event, Kind, Origin};
use crate::model::audit_chain::{AuditKey, CHAINS, Place};
use crate::storage::audit_chains;
use crate::storage::audit_log::{self, End};

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Answers a call that came from `origin`.
pub fn scope<F: Future>(origin: Origin, call: F) -> impl Future<Output = F::Output> {
    ORIGIN.scope(origin, call)
}

/// Where the call came from that is being answered; nowhere outside of calls.
pub(super) fn origin() -> Origin {
    ORIGIN.try_with(Origin::clone).unwrap_or_default()
}

/// Why the key of the log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Most likely the master key is another one.
    #[error("the audit log's key can't be opened; is auth.master_key the one that this database was set up with?")]
    Sealed(#[from] sealing::Error),
    /// The master key is another one, or the root key can't be read.
    #[error("the database's keys can't be opened; is auth.master_key the one that this database was set up with?")]
    Root(#[from] sealing::RootKeyError),
    /// Somebody deletes it while it is made.
    #[error("the audit log's key is missing")]
    Missing,
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

/// Reads the key of the log, and makes it if there is none yet.
///
/// # Errors
/// [`KeyError::Sealed`] if the master key is not the database's.
pub async fn open_key(conn: &mut PgConnection, master: &MasterKey, now: DateTime<Utc>) -> Result<AuditKey, KeyError> {
    let sealed = match audit_chains::find_key(conn).await? {
        Some(sealed) => sealed,
        None => {
            audit_chains::insert_key(conn, &AuditKey::generate_sealed(master)?, now).await?;
            audit_chains::find_key(conn).await?.ok_or(KeyError::Missing)?
        }
    };
    Ok(AuditKey::open(master, &sealed)?)
}

/// Adds rows to the log. Nothing may be locked after it in the transaction.
///
/// # Errors
/// If the database fails; the transaction is of no more use then.
pub async fn append(conn: &mut PgConnection, key: &AuditKey, entries: &[Entry]) -> Result<(), pg::Error> {
    let Some(first) = entries.first() else { return Ok(()) };
    // The last byte of an id is random. All rows of a transaction go to one chain: it waits for one lock only.
    let chain = i16::from(first.id.as_bytes()[15]) % CHAINS;
    let mut end = audit_log::lock_end(conn, chain).await?;
    for entry in entries {
        let place = Place { chain, seq: end.seq + 1 };
        let mac = key.mac(place, &end.mac, entry);
        audit_log::insert_entry(conn, entry, place, &mac).await?;
        end = End { seq: place.seq, mac };
    }
    Ok(())
}

/// Cuts off the rows at the beginning of a chain that are older than a time, at most `batch` of them. Returns how many went.
///
/// # Errors
/// If the database fails; the transaction is of no more use then.
pub async fn cut_off(
    conn: &mut PgConnection,
    key: &AuditKey,
    chain: i16,
    before: DateTime<Utc>,
    batch: i64,
) -> Result<u64, pg::Error> {
    match audit_chains::find_expired(conn, chain, before, batch).await? {
        Some((place, mac)) => audit_chains::cut_off(conn, place, &mac, &key.floor_seal(place, &mac)).await,
        None => Ok(0),
    }
}

/// What writing the log takes.
pub struct Audit {
    pg: Pool,
    clock: Clock,
    key: AuditKey,
    repeats: Repeats,
}

impl Audit {
    /// The log of a database.
    pub fn new(pg: Pool, clock: Clock, key: AuditKey) -> Self {
        Self { pg, clock, key, repeats: Repeats::default() }
    }

    /// The key of the log.
    pub(super) fn key(&self) -> &AuditKey {
        &self.key
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), pg::Error> {
        let mut tx = self.pg.begin().await?;
        append(&mut tx, &self.key, entries).await?;
        tx.commit().await
    }

    /// Writes what was refused, unless the same was refused so often lately that it is only counted.
    async fn write_refusal(&self, whom: impl Hash, event: Event, origin: &Origin) -> Result<(), pg::Error> {
        let now = self.clock.now();
        if self.repeats.admit(whom, &event, origin, now) {
            self.write(&[Entry::new(event, origin, now)]).await?;
        }
        Ok(())
    }

    /// Writes how often was refused what was only counted. Returns how many rows that took.
    pub(super) async fn write_repeats(&self) -> Result<usize, pg::Error> {
        let mut written = 0;
        loop {
            let due = self.repeats.due(self.clock.now());
            if due.is_empty() {
                return Ok(written);
            }
            self.write(&due).await?;
            self.repeats.forget(due.len());
            written += due.len();
        }
    }

    /// Closes the minute that is being counted before its time.
    pub(super) fn close_repeats(&self) {
        self.repeats.close(self.clock.now());
    }
}

impl App {
    /// Commits a transaction with the rows about what it did.
    pub(super) async fn commit(&self, mut tx: Tx, events: impl IntoIterator<Item = Event>) -> Result<(), pg::Error> {
        let (origin, now) = (origin(), self.clock.now());
        let entries = Entry::all(events, &origin, now);
        append(&mut tx, &self.audit.key, &entries).await?;
        tx.commit().await
    }

    /// Writes what happened without any other change in the database.
    pub(super) async fn record(&self, events: impl IntoIterator<Item = Event>) -> Result<(), pg::Error> {
        let (origin, now) = (origin(), self.clock.now());
        let entries = Entry::all(events, &origin, now);
        if entries.is_empty() { Ok(()) } else { self.audit.write(&entries).await }
    }

    /// Writes what was refused. `whom` is what was aimed at: repeats of the same are counted, not written, beyond a bound.
    pub(super) async fn record_refusal(&self, whom: impl Hash, event: Event) -> Result<(), pg::Error> {
        self.audit.write_refusal(whom, event, &origin()).await
    }

    /// Writes that an administrator was shown what is other people's; nothing if it was a service, or their own.
    pub(super) async fn record_read(
        &self,
        caller: &Caller,
        rpc: &'static str,
        people: &[UserId],
    ) -> Result<(), pg::Error> {
        if !caller.is_admin() {
            return Ok(());
        }
        let others = people.iter().filter(|user| caller.user_id() != Some(**user));
        let read = others.map(|user| Event::by(caller, Kind::AdminRead).on(*user).with("rpc", rpc));
        self.record(read.collect::<Vec<_>>()).await
    }
}

/// An attempt to prove who one is that was counted. However it ends, the log says so: if it is dropped before its end is
/// known, because the caller left or the database failed, a row says that.
pub(super) struct Tried {
    audit: Arc<Audit>,
    event: Event,
    origin: Origin,
    /// Set if the log-in is locked should the attempt fail.
    locks_until: Option<DateTime<Utc>>,
    is_settled: bool,
}

impl Tried {
    /// An attempt at what `event` names.
    pub fn new(audit: &Arc<Audit>, event: Event) -> Self {
        Self { audit: Arc::clone(audit), event, origin: origin(), locks_until: None, is_settled: false }
    }

    /// The log-in is locked until then, should it fail.
    pub fn locks_until(&mut self, until: Option<DateTime<Utc>>) {
        self.locks_until = until;
    }

    /// It was right, and what it was for has been written.
    pub fn succeeded(mut self) {
        self.is_settled = true;
    }

    /// It was wrong.
    pub async fn failed(mut self, whom: impl Hash, reason: impl errors::Reason) -> Result<(), pg::Error> {
        let events = self.events(reason);
        match <[Event; 1]>::try_from(events) {
            Ok([refused]) => self.audit.write_refusal(whom, refused, &self.origin).await?,
            // A lock is written whatever else was counted.
            Err(events) => {
                let now = self.audit.clock.now();
                self.audit.write(&Entry::all(events, &self.origin, now)).await?;
            }
        }
        self.is_settled = true;
        Ok(())
    }

    /// It was taken back, so it locks nothing, but what it was for is refused.
    pub async fn taken_back(mut self, whom: impl Hash, reason: impl errors::Reason) -> Result<(), pg::Error> {
        self.locks_until = None;
        self.failed(whom, reason).await
    }

    fn events(&self, reason: impl errors::Reason) -> Vec<Event> {
        let refused = self.event.clone().refused(reason);
        let lock = self.locks_until.map(|until| {
            let lock = Event { kind: Kind::Lock, details: [].into(), ..self.event.clone() };
            lock.with("of", self.event.kind.name()).with("until", clock::rfc3339(until))
        });
        [refused].into_iter().chain(lock).collect()
    }
}

impl Drop for Tried {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_settled {
            return;
        }
        let (audit, now) = (Arc::clone(&self.audit), self.audit.clock.now());
        let entries = Entry::all(self.events(common::CANCELLED), &self.origin, now);
        runtime.spawn(async move {
            let limit = audit.pg.config().statement_timeout;
            let written = tokio::time::timeout(limit, InRequest::new(audit.write(&entries))).await;
            if !matches!(written, Ok(Ok(()))) {
                tracing::warn!("an attempt that was given up could not be written to the audit log");
            }
        });
    }
}
