//! Table `blocks`.

use chrono::{DateTime, Utc};
use ids::UserId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::follows::Window;
use crate::model::Pair;

/// A user in a list that is ordered by time and id: the key of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The user.
    pub id: Uuid,
    /// When the row that put it on the list was made.
    pub at: DateTime<Utc>,
}

/// The wire form of [`Listed`] inside a page token: microseconds and id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ListKey(i64, Uuid);

impl ListKey {
    /// The place of the key in the list; `None` if the token named a time at which nothing can have been listed.
    pub fn listed(self) -> Option<Listed> {
        let at = DateTime::from_timestamp_micros(self.0)?;
        (at > DateTime::UNIX_EPOCH && at < Listed::top().at).then_some(Listed { id: self.1, at })
    }
}

impl Listed {
    /// The key of a page that ends here.
    pub fn key(&self) -> ListKey {
        ListKey(self.at.timestamp_micros(), self.id)
    }

    /// Above every row.
    pub fn top() -> Self {
        let at = DateTime::from_timestamp(253_402_300_799, 0).expect("the last second of the year 9999 is a time");
        Self { id: Uuid::max(), at }
    }
}

/// Lets the first block the second. Tells whether it had not yet.
pub async fn insert(conn: &mut PgConnection, pair: Pair, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "INSERT INTO blocks (blocker_id, blocked_id, created_at) VALUES ($1, $2, $3) ON CONFLICT (blocker_id, blocked_id) DO NOTHING",
        pair.first.uuid(),
        pair.second.uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes the first's block of the second back. Tells whether there was one.
pub async fn delete(conn: &mut PgConnection, pair: Pair) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "DELETE FROM blocks WHERE blocker_id = $1 AND blocked_id = $2",
        pair.first.uuid(),
        pair.second.uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Who has blocked `blocked`, `most` of them at most, in no order.
pub async fn blockers_of(conn: &mut PgConnection, blocked: UserId, most: usize) -> Result<Vec<UserId>, pg::Error> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let ids = sqlx::query_scalar!("SELECT blocker_id FROM blocks WHERE blocked_id = $1 LIMIT $2", blocked.uuid(), most)
        .fetch_all(conn)
        .await?;
    Ok(ids.into_iter().map(UserId::from).collect())
}

/// Whom `blocker` has blocked, the latest first, without deleted accounts.
pub async fn list(conn: &mut PgConnection, blocker: UserId, window: Window) -> Result<Vec<Listed>, pg::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"SELECT b.blocked_id AS id, b.created_at AS at FROM blocks b
           JOIN profiles p ON p.user_id = b.blocked_id AND p.deleted_at IS NULL
           WHERE b.blocker_id = $1 AND (b.created_at, b.blocked_id) < ($2, $3::uuid)
           ORDER BY b.created_at DESC, b.blocked_id DESC OFFSET $4 LIMIT $5"#,
        blocker.uuid(),
        window.below.at,
        window.below.id,
        window.offset,
        window.fetch,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
