//! What an operator does to the database by `nova admin`.

use std::fmt;

use ids::ConversationId;
use pg::Pool;

use crate::storage::reconcile::{self, Wrong};

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
