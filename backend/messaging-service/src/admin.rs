//! What an operator does to the database by `nova admin`.

use std::fmt;

use ids::{ConversationId, UserId};
use pg::Pool;
use sealing::RootKey;
use sqlx::PgConnection;

use crate::app::vault;
use crate::storage::reconcile::{self, Wrong};
use crate::storage::{events, user_keys};

/// What [`check_keys`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// People who have a key.
    pub people: u64,
    /// Those of them whose key the root key of the messages does not open.
    pub foreign: u64,
    /// Authors of sealed messages who have no key and never had one destroyed: nobody can read what they wrote.
    pub missing: u64,
}

/// Keys that are looked at in one go.
const KEYS_AT_ONCE: i64 = 1000;

/// Conversations that are compared in one statement.
const AT_ONCE: i64 = 100;

/// What [`reconcile()`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Conversations that were looked at.
    pub conversations: u64,
    /// What was wrong in them.
    pub wrong: Wrong,
}

impl Report {
    /// Whether everything was right.
    pub fn is_clean(&self) -> bool {
        self.wrong == Wrong::default()
    }

    fn add(&mut self, found: Wrong) {
        let sum = &mut self.wrong;
        sum.last_sequences += found.last_sequences;
        sum.live_counts += found.live_counts;
        sum.member_counts += found.member_counts;
        sum.sender_ordinals += found.sender_ordinals;
        sum.gaps += found.gaps;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrong { last_sequences, live_counts, member_counts, sender_ordinals, gaps } = self.wrong;
        write!(
            f,
            "{} conversations checked; wrong: {last_sequences} last_sequence, {live_counts} live_count, \
             {member_counts} member_count, {sender_ordinals} sender_ordinal; {gaps} with a gap in the sequence",
            self.conversations
        )
    }
}

/// Proves the counts of every conversation against its rows, and repairs them if `repair`, while the service runs.
///
/// Comparing locks nothing. What is wrong is repaired in a transaction for each conversation, which is locked meanwhile.
///
/// # Errors
/// If the database fails; what was repaired before stays so.
pub async fn reconcile(pool: &Pool, repair: bool) -> Result<Report, pg::Error> {
    let mut report = Report::default();
    let mut after = None;
    loop {
        let mut tx = pool.begin().await?;
        reconcile::take_time(&mut tx).await?;
        let ids = reconcile::next(&mut tx, after, AT_ONCE).await?;
        let Some(last) = ids.last() else { return Ok(report) };
        after = Some(*last);
        report.conversations += ids.len() as u64;
        let found = reconcile::find_wrong(&mut tx, &ids).await?;
        tx.commit().await?;
        for (id, wrong) in found {
            report.add(if repair { repair_one(pool, id).await? } else { wrong });
        }
    }
}

/// Tells what is wrong in a conversation under its lock – it may have changed since it was compared – and puts it right.
async fn repair_one(pool: &Pool, id: ConversationId) -> Result<Wrong, pg::Error> {
    let mut tx = pool.begin().await?;
    reconcile::take_time(&mut tx).await?;
    reconcile::lock(&mut tx, id).await?;
    let found = reconcile::find_wrong(&mut tx, &[id]).await?;
    let Some((_, wrong)) = found.first() else { return Ok(Wrong::default()) };
    reconcile::repair(&mut tx, id).await?;
    tx.commit().await?;
    Ok(*wrong)
}

/// To be called once the database was restored, before any service starts on it: cursors of before have expired, positions go on
/// after all that there are, and events to come have ids of their own.
///
/// # Errors
/// If the database fails.
pub async fn begin_another_log(conn: &mut PgConnection) -> Result<(), pg::Error> {
    events::begin_another_log(conn).await
}

/// Holds people's keys against what is sealed with them: `messages` and `keys` are the two databases, `root` is the messages'.
///
/// # Errors
/// If a database fails.
pub async fn check_keys(messages: &Pool, keys: &Pool, root: &RootKey) -> Result<Keys, pg::Error> {
    let mut found = Keys::default();
    let (mut messages, mut keys) = (messages.conn().await?, keys.conn().await?);
    let mut after = None;
    loop {
        let some = user_keys::page(&mut keys, after, KEYS_AT_ONCE).await?;
        let Some((last, _)) = some.last() else { break };
        after = Some(*last);
        for (user, key) in &some {
            if let user_keys::UserKey::Wrapped(wrapped) = key {
                found.people += 1;
                found.foreign += u64::from(!vault::opens(root, *user, wrapped));
            }
        }
    }
    for authors in user_keys::authors(&mut messages).await?.chunks(KEYS_AT_ONCE as usize) {
        found.missing += (authors.len() - user_keys::find(&mut keys, authors).await?.len()) as u64;
    }
    Ok(found)
}

/// People whose keys have been destroyed, after `after`, at most `limit`: whoever has deleted their account.
///
/// # Errors
/// If the database fails.
pub async fn forgotten(keys: &mut PgConnection, after: Option<UserId>, limit: i64) -> Result<Vec<UserId>, pg::Error> {
    user_keys::destroyed(keys, after, limit).await
}
