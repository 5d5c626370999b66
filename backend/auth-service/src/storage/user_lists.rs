//! Lists of accounts, in table `users`: one statement for each way that is fast, for a prepared statement keeps one plan.

use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::users::Row;
use crate::model::User;

/// Which rows of a list make the page.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Only accounts older than this one.
    pub before: Option<UserId>,
    /// How many of those to pass over.
    pub offset: i64,
    /// How many to read.
    pub limit: i64,
}

impl Slice {
    fn before(&self) -> Uuid {
        self.before.map_or(Uuid::max(), UserId::uuid)
    }
}

/// Reads live accounts, newest first.
pub async fn list_users(conn: &mut PgConnection, slice: Slice) -> Result<Vec<User>, pg::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT u.id, u.username, u.email AS "email!", u.email_verified, u.active, u.created_at, u.updated_at,
                  ARRAY(SELECT role FROM user_roles WHERE user_id = u.id) AS "roles!", c.failed_attempts, c.locked_until
           FROM users u JOIN credentials c ON c.user_id = u.id
           WHERE u.deleted_at IS NULL AND u.id < $1
           ORDER BY u.id DESC OFFSET $2 LIMIT $3"#,
        slice.before(),
        slice.offset,
        slice.limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Counts live accounts.
pub async fn count_users(conn: &mut PgConnection) -> Result<i64, pg::Error> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE deleted_at IS NULL"#);
    Ok(count.fetch_one(conn).await?)
}

/// Reads live accounts that match a LIKE pattern in lower case, newest first: walks from the newest, so it is for patterns
/// that many match.
pub async fn walk_users(conn: &mut PgConnection, pattern: &str, slice: Slice) -> Result<Vec<User>, pg::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT u.id, u.username, u.email AS "email!", u.email_verified, u.active, u.created_at, u.updated_at,
                  ARRAY(SELECT role FROM user_roles WHERE user_id = u.id) AS "roles!", c.failed_attempts, c.locked_until
           FROM users u JOIN credentials c ON c.user_id = u.id
           WHERE u.deleted_at IS NULL AND (u.username LIKE $1 OR lower(u.email) LIKE $1) AND u.id < $2
           ORDER BY u.id DESC OFFSET $3 LIMIT $4"#,
        pattern,
        slice.before(),
        slice.offset,
        slice.limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The same: takes all that match from the trigram indexes and sorts them, so it is for patterns that few match.
pub async fn pick_users(conn: &mut PgConnection, pattern: &str, slice: Slice) -> Result<Vec<User>, pg::Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH hits AS MATERIALIZED (
               SELECT id FROM users WHERE deleted_at IS NULL AND (username LIKE $1 OR lower(email) LIKE $1)
           ), page AS (
               SELECT id FROM hits WHERE id < $2 ORDER BY id DESC OFFSET $3 LIMIT $4
           )
           SELECT u.id, u.username, u.email AS "email!", u.email_verified, u.active, u.created_at, u.updated_at,
                  ARRAY(SELECT role FROM user_roles WHERE user_id = u.id) AS "roles!", c.failed_attempts, c.locked_until
           FROM page JOIN users u ON u.id = page.id JOIN credentials c ON c.user_id = u.id
           ORDER BY u.id DESC"#,
        pattern,
        slice.before(),
        slice.offset,
        slice.limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Counts live accounts that match a LIKE pattern in lower case, by the trigram indexes.
pub async fn count_indexed(conn: &mut PgConnection, pattern: &str) -> Result<i64, pg::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM users
           WHERE deleted_at IS NULL AND (username LIKE $1 OR lower(email) LIKE $1)"#,
        pattern,
    );
    Ok(count.fetch_one(conn).await?)
}

/// The same by a look at every account: a pattern without a trigram would have the indexes read from end to end, which
/// takes longer. No name and no pattern has a line break.
pub async fn count_scanned(conn: &mut PgConnection, pattern: &str) -> Result<i64, pg::Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM users
           WHERE deleted_at IS NULL AND username || E'\n' || lower(email) LIKE $1"#,
        pattern,
    );
    Ok(count.fetch_one(conn).await?)
}
