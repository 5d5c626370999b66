//! What is held on a person, in pages.

use ids::UserId;
use sqlx::PgConnection;

use super::blocks::Listed;
use crate::model::FollowStatus;

/// Whom a user follows, or asks to follow, the latest first, below a place in the list.
pub async fn followees(
    conn: &mut PgConnection,
    user: UserId,
    status: FollowStatus,
    below: Listed,
    limit: i64,
) -> Result<Vec<Listed>, pg::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"SELECT followee_id AS id, created_at AS at FROM follows
           WHERE follower_id = $1 AND status = $2 AND (created_at, followee_id) < ($3, $4::uuid)
           ORDER BY created_at DESC, followee_id DESC LIMIT $5"#,
        user.uuid(),
        status.as_str(),
        below.at,
        below.id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Who follows a user, or asks to follow them, the latest first, below a place in the list.
pub async fn followers(
    conn: &mut PgConnection,
    user: UserId,
    status: FollowStatus,
    below: Listed,
    limit: i64,
) -> Result<Vec<Listed>, pg::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"SELECT follower_id AS id, created_at AS at FROM follows
           WHERE followee_id = $1 AND status = $2 AND (created_at, follower_id) < ($3, $4::uuid)
           ORDER BY created_at DESC, follower_id DESC LIMIT $5"#,
        user.uuid(),
        status.as_str(),
        below.at,
        below.id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Whom a user has blocked, deleted accounts too, the latest first, below a place in the list.
pub async fn blocks(
    conn: &mut PgConnection,
    user: UserId,
    below: Listed,
    limit: i64,
) -> Result<Vec<Listed>, pg::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"SELECT blocked_id AS id, created_at AS at FROM blocks
           WHERE blocker_id = $1 AND (created_at, blocked_id) < ($2, $3::uuid)
           ORDER BY created_at DESC, blocked_id DESC LIMIT $4"#,
        user.uuid(),
        below.at,
        below.id,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
