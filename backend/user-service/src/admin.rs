//! What administrators run by hand, through the `nova` program.

use pg::Pool;

use crate::storage::counts::{self, Drift};

/// What [`reconcile`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Parts of counts that were compared with the rows (up to eight a user).
    pub compared: i64,
    /// Those that differed.
    pub drifts: Vec<Drift>,
    /// How many of them were counted anew.
    pub repaired: usize,
}

/// Proves that follower counts equal the follows they count, and with `repair` counts those anew that do not.
///
/// The comparison is one statement, so one snapshot: it may run at any time. A repair locks one part of one user's counts at a
/// time, for milliseconds; follows go on meanwhile and are not lost.
///
/// # Errors
/// Those of the database; what was repaired until then stays repaired.
pub async fn reconcile(pool: &Pool, repair: bool) -> Result<Reconciled, pg::Error> {
    let mut tx = pool.begin().await?;
    counts::allow_long_statement(&mut tx).await?;
    let counts::Comparison { compared, drifts } = counts::compare(&mut tx).await?;
    tx.commit().await?;
    let mut repaired = 0;
    if repair {
        for drift in &drifts {
            let mut tx = pool.begin().await?;
            counts::allow_long_statement(&mut tx).await?;
            counts::lock(&mut tx, drift.user_id, drift.shard).await?;
            counts::recount(&mut tx, drift.user_id, drift.shard).await?;
            tx.commit().await?;
            repaired += 1;
            tracing::warn!(user.id = %drift.user_id, shard = drift.shard, "counted the follows of user {} anew", drift.user_id);
        }
    }
    Ok(Reconciled { compared, drifts, repaired })
}
