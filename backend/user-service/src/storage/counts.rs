//! Table `follow_counts`: changed with the rows that it counts, proved and repaired against them.

use std::collections::BTreeMap;

use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::{Follow, FollowStatus};

/// The part of a user's counts that holds its relation to `other`: the last three bits of that id. SQL computes the same as
/// `get_byte(uuid_send(other), 15) & 7`.
pub fn shard(other: UserId) -> i16 {
    i16::from(other.uuid().into_bytes()[15] & 7)
}

/// Adds `by` for each of these follows that is active, in one statement that takes its row locks in the order of the keys.
pub async fn change(conn: &mut PgConnection, follows: &[Follow], by: i64) -> Result<(), pg::Error> {
    let mut deltas = BTreeMap::<(UserId, i16), (i64, i64)>::new();
    for follow in follows.iter().filter(|f| f.status == FollowStatus::Active) {
        deltas.entry((follow.followee, shard(follow.follower))).or_default().0 += by;
        deltas.entry((follow.follower, shard(follow.followee))).or_default().1 += by;
    }
    if deltas.is_empty() {
        return Ok(());
    }
    let users: Vec<Uuid> = deltas.keys().map(|(user, _)| user.uuid()).collect();
    let shards: Vec<i16> = deltas.keys().map(|(_, shard)| *shard).collect();
    let followers: Vec<i64> = deltas.values().map(|(followers, _)| *followers).collect();
    let following: Vec<i64> = deltas.values().map(|(_, following)| *following).collect();
    sqlx::query!(
        r#"INSERT INTO follow_counts AS c (user_id, shard, followers, following)
           SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[]) AS d(user_id, shard, followers, following)
           ORDER BY d.user_id, d.shard
           ON CONFLICT (user_id, shard) DO UPDATE
               SET followers = c.followers + EXCLUDED.followers, following = c.following + EXCLUDED.following"#,
        &users,
        &shards,
        &followers,
        &following,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A part of a user's counts that does not equal the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The user.
    pub user_id: Uuid,
    /// The part.
    pub shard: i16,
    /// Followers as counted.
    pub followers: i64,
    /// Followers by the rows.
    pub true_followers: i64,
    /// Follows as counted.
    pub following: i64,
    /// Follows by the rows.
    pub true_following: i64,
}

/// What a comparison of all counts with all rows found.
pub struct Comparison {
    /// Parts of counts that were compared.
    pub compared: i64,
    /// Those that differ.
    pub drifts: Vec<Drift>,
}

/// Compares all counts with all rows, in one snapshot: counts and rows change together, so a difference is a fault.
pub async fn compare(conn: &mut PgConnection) -> Result<Comparison, pg::Error> {
    let rows = sqlx::query!(
        r#"WITH rows AS (
               SELECT user_id, shard, sum(followers)::bigint AS followers, sum(following)::bigint AS following FROM (
                   SELECT followee_id AS user_id, (get_byte(uuid_send(follower_id), 15) & 7)::smallint AS shard, 1 AS followers, 0 AS following
                   FROM follows WHERE status = 'active'
                   UNION ALL
                   SELECT follower_id, (get_byte(uuid_send(followee_id), 15) & 7)::smallint, 0, 1 FROM follows WHERE status = 'active'
               ) each_way GROUP BY user_id, shard
           ), both_sides AS (
               SELECT COALESCE(c.user_id, r.user_id) AS user_id, COALESCE(c.shard, r.shard) AS shard,
                      COALESCE(c.followers, 0) AS followers, COALESCE(r.followers, 0) AS true_followers,
                      COALESCE(c.following, 0) AS following, COALESCE(r.following, 0) AS true_following
               FROM follow_counts c FULL JOIN rows r ON r.user_id = c.user_id AND r.shard = c.shard
           ), total AS (SELECT count(*) AS compared FROM both_sides)
           SELECT t.compared AS "compared!", d.user_id AS "user_id?", d.shard AS "shard?", d.followers AS "followers?",
                  d.true_followers AS "true_followers?", d.following AS "following?", d.true_following AS "true_following?"
           FROM total t
           LEFT JOIN both_sides d ON d.followers <> d.true_followers OR d.following <> d.true_following
           ORDER BY d.user_id, d.shard"#
    )
    .fetch_all(conn)
    .await?;
    let compared = rows.first().map_or(0, |row| row.compared);
    let drifts = rows
        .into_iter()
        .filter_map(|row| {
            Some(Drift {
                user_id: row.user_id?,
                shard: row.shard?,
                followers: row.followers?,
                true_followers: row.true_followers?,
                following: row.following?,
                true_following: row.true_following?,
            })
        })
        .collect();
    Ok(Comparison { compared, drifts })
}

/// Locks one part of a user's counts, and makes it if need be.
pub async fn lock(conn: &mut PgConnection, user: Uuid, shard: i16) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"INSERT INTO follow_counts AS c (user_id, shard, followers, following) VALUES ($1, $2, 0, 0)
           ON CONFLICT (user_id, shard) DO UPDATE SET followers = c.followers"#,
        user,
        shard,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts one locked part anew from the rows. A follow whose transaction waits for the lock is not seen here, and adds itself
/// once it has the lock; one that had the lock before has committed.
pub async fn recount(conn: &mut PgConnection, user: Uuid, shard: i16) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"UPDATE follow_counts SET
               followers = (SELECT count(*) FROM follows WHERE followee_id = $1 AND status = 'active'
                            AND get_byte(uuid_send(follower_id), 15) & 7 = $2::smallint),
               following = (SELECT count(*) FROM follows WHERE follower_id = $1 AND status = 'active'
                            AND get_byte(uuid_send(followee_id), 15) & 7 = $2)
           WHERE user_id = $1 AND shard = $2"#,
        user,
        shard,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lifts the time-out of statements until the transaction ends: a comparison reads every row.
pub async fn allow_long_statement(conn: &mut PgConnection) -> Result<(), pg::Error> {
    sqlx::query!("SELECT set_config('statement_timeout', '0', true)").fetch_one(conn).await?;
    Ok(())
}
