//! Search by name.

use ids::UserId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::Query;

/// A user that was found, with all that its place in the order depends on: the key of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// 0: it is the user name; 1: the user name begins with it; 2: the rest.
    pub tier: i32,
    /// Likeness of the nearer name, 0 to 1.
    pub similarity: f32,
    /// Followers.
    pub followers: i64,
    /// The user.
    pub id: Uuid,
}

impl Hit {
    /// Whether a search can have found this; what a page token says need not be so.
    pub fn is_possible(&self) -> bool {
        (0..=2).contains(&self.tier) && (0.0..=1.0).contains(&self.similarity) && self.followers >= 0
    }
}

/// Makes the planner of this transaction take the indexes. It believes that each way to match finds a hundredth of the table
/// and would rather read all of it, which costs a similarity a row.
async fn prefer_indexes(conn: &mut PgConnection) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"SELECT set_config('enable_seqscan', 'off', true) AS seqscan, set_config('jit', 'off', true) AS jit,
                  set_config('max_parallel_workers_per_gather', '0', true) AS workers"#
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// User names, and display names, that a short query looks at: a page of the best of them costs milliseconds however many begin
/// with the one letter.
const SHORT_LOOKS_AT: i64 = 1000;

/// One statement that ranks `$matching` (of `profiles`): `$1` is the query, `$2` above its beginnings, `$10` and on are its own.
///
/// Followers are counted only for those who can be on the page: the best by name, and who ties with the last of them.
macro_rules! best_of {
    ($matching:tt, $query:expr, $viewer:expr, $after:expr, $offset:expr, $fetch:expr, $($arg:expr),* $(,)?) => {
        sqlx::query_as!(
            Hit,
            r#"WITH matching AS ("# + $matching + r#"
               ), found AS MATERIALIZED (
                   SELECT p.user_id AS id,
                          CASE WHEN p.username_key = $1 THEN 0
                               WHEN p.username_key ~>=~ $1 AND p.username_key ~<~ $2 THEN 1
                               ELSE 2 END AS tier,
                          GREATEST(similarity(p.username_key, $1), similarity(p.display_key, $1)) AS similarity
                   FROM matching p
                   WHERE NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = $3::uuid AND b.blocked_id = p.user_id)
                     AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocked_id = $3 AND b.blocker_id = p.user_id)
               ), near AS (
                   (SELECT id, tier, similarity FROM found
                    WHERE $4::integer IS NULL OR (tier, -similarity) > ($4, -$5::real)
                    ORDER BY tier, similarity DESC FETCH FIRST ($8::bigint + $9::bigint) ROWS WITH TIES)
                   UNION ALL
                   SELECT id, tier, similarity FROM found WHERE tier = $4 AND similarity = $5
               ), counted AS (
                   SELECT n.id, n.tier, n.similarity, GREATEST(COALESCE(c.followers, 0), 0) AS followers
                   FROM near n
                   CROSS JOIN LATERAL (SELECT sum(followers)::bigint AS followers FROM follow_counts WHERE user_id = n.id) c
               )
               SELECT id AS "id!", tier AS "tier!", similarity AS "similarity!", followers AS "followers!" FROM counted
               WHERE $4 IS NULL OR (tier, -similarity, -followers, id) > ($4, -$5, -$6::bigint, $7::uuid)
               ORDER BY tier, similarity DESC, followers DESC, id OFFSET $8 LIMIT $9"#,
            $query.as_str(),
            $query.above_prefix(),
            $viewer.map(UserId::uuid),
            $after.map(|hit| hit.tier),
            $after.map(|hit| hit.similarity),
            $after.map(|hit| hit.followers),
            $after.map(|hit| hit.id),
            $offset,
            $fetch,
            $($arg),*
        )
    };
}

/// Finds users, the best first, without those across a block from `viewer` and deleted ones. Two round trips; needs a
/// transaction.
///
/// Each way to match has its index, and all are looked at in one bitmap. A query without a trigram has beginnings only, and of
/// them the first by key, the exact name before all: the same ones for each page.
pub async fn search(
    conn: &mut PgConnection,
    viewer: Option<UserId>,
    query: &Query,
    after: Option<&Hit>,
    offset: i64,
    fetch: i64,
) -> Result<Vec<Hit>, pg::Error> {
    prefer_indexes(conn).await?;
    let rows = if let Some(pattern) = query.pattern() {
        best_of!(
            r#"SELECT user_id, username_key, display_key FROM profiles
               WHERE deleted_at IS NULL
                 AND (username_key LIKE $10 OR display_key LIKE $10
                      OR username_key % $11::text OR display_key % $11
                      OR (username_key ~>=~ $1 AND username_key ~<~ $2)
                      OR (display_key ~>=~ $1 AND display_key ~<~ $2))"#,
            query,
            viewer,
            after,
            offset,
            fetch,
            pattern,
            query.fuzzy(),
        )
        .fetch_all(conn)
        .await?
    } else {
        best_of!(
            r#"(SELECT user_id, username_key, display_key FROM profiles
                WHERE deleted_at IS NULL AND username_key ~>=~ $1 AND username_key ~<~ $2
                ORDER BY username_key USING ~<~ LIMIT $10)
               UNION
               (SELECT user_id, username_key, display_key FROM profiles
                WHERE deleted_at IS NULL AND display_key ~>=~ $1 AND display_key ~<~ $2
                ORDER BY display_key USING ~<~, user_id LIMIT $10)"#,
            query,
            viewer,
            after,
            offset,
            fetch,
            SHORT_LOOKS_AT,
        )
        .fetch_all(conn)
        .await?
    };
    Ok(rows)
}
