//! Table `follows`: follows and requests, one pair at a time, in pages, and in bulk when an account ends.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::blocks::Listed;
use crate::model::{Follow, FollowStatus, Pair, Standing};

/// What is known of one of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is no row.
    Unknown,
    /// The account is deleted.
    Deleted,
    /// It is there.
    Live,
}

/// Everything that decides about a change between two users.
pub struct PairState {
    /// What is known of the first.
    pub first: Presence,
    /// What is known of the second.
    pub second: Presence,
    /// Whether following the second needs consent.
    pub second_is_private: bool,
    /// How they stand to each other.
    pub standing: Standing,
}

/// Reads all about a pair.
pub async fn pair_state(conn: &mut PgConnection, pair: Pair) -> Result<PairState, pg::Error> {
    let row = sqlx::query!(
        r#"SELECT (SELECT deleted_at IS NULL FROM profiles WHERE user_id = $1) AS first_is_live,
                  (SELECT deleted_at IS NULL FROM profiles WHERE user_id = $2) AS second_is_live,
                  (SELECT private FROM profiles WHERE user_id = $2) AS second_is_private,
                  (SELECT status FROM follows WHERE follower_id = $1 AND followee_id = $2) AS follows,
                  (SELECT status FROM follows WHERE follower_id = $2 AND followee_id = $1) AS followed_by,
                  EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = $2) AS "blocks!",
                  EXISTS (SELECT FROM blocks WHERE blocker_id = $2 AND blocked_id = $1) AS "blocked_by!""#,
        pair.first.uuid(),
        pair.second.uuid(),
    )
    .fetch_one(conn)
    .await?;
    let presence = |is_live: Option<bool>| match is_live {
        None => Presence::Unknown,
        Some(false) => Presence::Deleted,
        Some(true) => Presence::Live,
    };
    Ok(PairState {
        first: presence(row.first_is_live),
        second: presence(row.second_is_live),
        second_is_private: row.second_is_private.unwrap_or_default(),
        standing: Standing {
            follows: row.follows.as_deref().map(|s| status(pair, s)).transpose()?,
            followed_by: row.followed_by.as_deref().map(|s| status(pair.reversed(), s)).transpose()?,
            blocks: row.blocks,
            blocked_by: row.blocked_by,
        },
    })
}

fn status(pair: Pair, stored: &str) -> Result<FollowStatus, pg::Error> {
    FollowStatus::from_stored(stored).ok_or_else(|| {
        let row = format!("({}, {})", pair.first, pair.second);
        pg::Corrupt { table: "follows", column: "status", row, fault: format!("unknown value {stored}") }.into()
    })
}

/// Makes a follow or a request, unless there is one. Tells whether it did.
pub async fn insert(conn: &mut PgConnection, follow: Follow, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        r#"INSERT INTO follows (follower_id, followee_id, status, created_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (follower_id, followee_id) DO NOTHING"#,
        follow.follower.uuid(),
        follow.followee.uuid(),
        follow.status.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Makes the first's request to the second a follow. Tells whether there was one.
pub async fn activate(conn: &mut PgConnection, pair: Pair, now: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "UPDATE follows SET status = 'active', created_at = $3 WHERE follower_id = $1 AND followee_id = $2 AND status = 'pending'",
        pair.first.uuid(),
        pair.second.uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the first's follow of the second, or its request. Gives back what there was.
pub async fn delete(conn: &mut PgConnection, pair: Pair) -> Result<Option<Follow>, pg::Error> {
    let stored = sqlx::query_scalar!(
        "DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2 RETURNING status",
        pair.first.uuid(),
        pair.second.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(stored) = stored else { return Ok(None) };
    Ok(Some(Follow { follower: pair.first, followee: pair.second, status: status(pair, &stored)? }))
}

/// A page of a list that is ordered by time and id, both falling.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Rows below this key only.
    pub below: Listed,
    /// Rows to pass over.
    pub offset: i64,
    /// Rows at most.
    pub fetch: i64,
}

/// Who follows `followee` with this status, the latest first, without those across a block from `viewer` and deleted ones.
pub async fn list_followers(
    conn: &mut PgConnection,
    viewer: Option<UserId>,
    followee: UserId,
    status: FollowStatus,
    window: Window,
) -> Result<Vec<Listed>, pg::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"SELECT f.follower_id AS id, f.created_at AS at FROM follows f
           JOIN profiles p ON p.user_id = f.follower_id AND p.deleted_at IS NULL
           WHERE f.followee_id = $1 AND f.status = $2 AND (f.created_at, f.follower_id) < ($3, $4::uuid)
             AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = $5::uuid AND b.blocked_id = f.follower_id)
             AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocked_id = $5 AND b.blocker_id = f.follower_id)
           ORDER BY f.created_at DESC, f.follower_id DESC OFFSET $6 LIMIT $7"#,
        followee.uuid(),
        status.as_str(),
        window.below.at,
        window.below.id,
        viewer.map(UserId::uuid),
        window.offset,
        window.fetch,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Whom `follower` follows, the latest first, without those across a block from `viewer` and deleted ones.
pub async fn list_following(
    conn: &mut PgConnection,
    viewer: Option<UserId>,
    follower: UserId,
    window: Window,
) -> Result<Vec<Listed>, pg::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"SELECT f.followee_id AS id, f.created_at AS at FROM follows f
           JOIN profiles p ON p.user_id = f.followee_id AND p.deleted_at IS NULL
           WHERE f.follower_id = $1 AND f.status = 'active' AND (f.created_at, f.followee_id) < ($2, $3::uuid)
             AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = $4::uuid AND b.blocked_id = f.followee_id)
             AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocked_id = $4 AND b.blocker_id = f.followee_id)
           ORDER BY f.created_at DESC, f.followee_id DESC OFFSET $5 LIMIT $6"#,
        follower.uuid(),
        window.below.at,
        window.below.id,
        viewer.map(UserId::uuid),
        window.offset,
        window.fetch,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Ends up to `most` follows and requests by `user`, in the order of their keys. Gives back what there was.
pub async fn delete_by_follower(conn: &mut PgConnection, user: UserId, most: i64) -> Result<Vec<Follow>, pg::Error> {
    let rows = sqlx::query!(
        r#"WITH chosen AS MATERIALIZED (
               SELECT follower_id, followee_id FROM follows WHERE follower_id = $1 ORDER BY followee_id LIMIT $2 FOR UPDATE
           )
           DELETE FROM follows f USING chosen c WHERE f.follower_id = c.follower_id AND f.followee_id = c.followee_id
           RETURNING f.follower_id, f.followee_id, f.status"#,
        user.uuid(),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| ended(row.follower_id, row.followee_id, &row.status)).collect()
}

/// Ends up to `most` follows of and requests to `user`, in the order of their keys. Gives back what there was.
pub async fn delete_by_followee(conn: &mut PgConnection, user: UserId, most: i64) -> Result<Vec<Follow>, pg::Error> {
    let rows = sqlx::query!(
        r#"WITH few AS MATERIALIZED (SELECT follower_id FROM follows WHERE followee_id = $1 LIMIT $2),
           chosen AS MATERIALIZED (
               SELECT f.follower_id, f.followee_id FROM follows f JOIN few USING (follower_id)
               WHERE f.followee_id = $1 ORDER BY f.follower_id FOR UPDATE OF f
           )
           DELETE FROM follows f USING chosen c WHERE f.follower_id = c.follower_id AND f.followee_id = c.followee_id
           RETURNING f.follower_id, f.followee_id, f.status"#,
        user.uuid(),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| ended(row.follower_id, row.followee_id, &row.status)).collect()
}

fn ended(follower: Uuid, followee: Uuid, stored: &str) -> Result<Follow, pg::Error> {
    let (follower, followee) = (UserId::from(follower), UserId::from(followee));
    Ok(Follow { follower, followee, status: status(Pair { first: follower, second: followee }, stored)? })
}
