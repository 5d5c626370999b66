//! Table `user_keys`: the keys of people, wrapped, in a database of their own (docs/adr/0012).
//!
//! Its statements are checked by the tests alone: `cargo sqlx` knows one database a crate.

use chrono::{DateTime, Utc};
use ids::UserId;
use pg::Pool;
use sqlx::PgConnection;
use uuid::Uuid;

/// Keys that are moved in one go.
const AT_ONCE: i64 = 1000;

/// A person's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserKey {
    /// This, wrapped.
    Wrapped(Vec<u8>),
    /// It has been destroyed.
    Destroyed,
}

/// Reads the keys of those people who have one or had one.
///
/// # Errors
/// If the database fails.
pub async fn find(conn: &mut PgConnection, users: &[UserId]) -> Result<Vec<(UserId, UserKey)>, pg::Error> {
    let ids: Vec<Uuid> = users.iter().map(|id| id.uuid()).collect();
    let rows: Vec<(Uuid, Option<Vec<u8>>)> =
        sqlx::query_as("SELECT user_id, wrapped FROM user_keys WHERE user_id = ANY ($1)")
            .bind(ids)
            .fetch_all(conn)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(id, wrapped)| (id.into(), wrapped.map_or(UserKey::Destroyed, UserKey::Wrapped)))
        .collect())
}

/// Stores a person's first key, unless they have one or had one.
///
/// # Errors
/// If the database fails.
pub async fn insert(
    conn: &mut PgConnection,
    user: UserId,
    wrapped: &[u8],
    now: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO user_keys (user_id, wrapped, created_at) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO NOTHING",
    )
    .bind(user.uuid())
    .bind(wrapped)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Destroys a person's key for good, also if they have never had one.
///
/// # Errors
/// If the database fails.
pub async fn destroy(conn: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO user_keys AS k (user_id, wrapped, created_at, destroyed_at) VALUES ($1, NULL, $2, $2)
         ON CONFLICT (user_id) DO UPDATE SET wrapped = NULL, destroyed_at = excluded.destroyed_at
         WHERE k.destroyed_at IS NULL",
    )
    .bind(user.uuid())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keys in the order of their people's ids.
///
/// # Errors
/// If the database fails.
pub async fn page(
    conn: &mut PgConnection,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<(UserId, UserKey)>, pg::Error> {
    let rows: Vec<(Uuid, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT user_id, wrapped FROM user_keys WHERE ($1::uuid IS NULL OR user_id > $1) ORDER BY user_id LIMIT $2",
    )
    .bind(after.map(UserId::uuid))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let key = |wrapped: Option<Vec<u8>>| wrapped.map_or(UserKey::Destroyed, UserKey::Wrapped);
    Ok(rows.into_iter().map(|(id, wrapped)| (id.into(), key(wrapped))).collect())
}

/// People whose keys have been destroyed, in the order of their ids.
///
/// # Errors
/// If the database fails.
pub async fn destroyed(conn: &mut PgConnection, after: Option<UserId>, limit: i64) -> Result<Vec<UserId>, pg::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT user_id FROM user_keys WHERE wrapped IS NULL AND ($1::uuid IS NULL OR user_id > $1)
         ORDER BY user_id LIMIT $2",
    )
    .bind(after.map(UserId::uuid))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(UserId::from).collect())
}

/// Everybody who wrote something that lies sealed in the database of the messages. Reads them all.
///
/// # Errors
/// If the database fails.
pub async fn authors(messages: &mut PgConnection) -> Result<Vec<UserId>, pg::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT DISTINCT sender_id FROM messages WHERE sealed IS NOT NULL")
        .fetch_all(messages)
        .await?;
    Ok(ids.into_iter().map(UserId::from).collect())
}

/// Moves the keys that an earlier release kept beside the messages. A crash after any line leaves each key in at least one of
/// both places, and replicas may do it at once: what is in the new place is never overwritten.
///
/// # Errors
/// If a database fails.
pub async fn move_here(messages: &Pool, keys: &Pool) -> Result<u64, pg::Error> {
    let mut moved = 0;
    loop {
        let mut from = messages.conn().await?;
        let rows = sqlx::query!(
            "SELECT user_id, wrapped, created_at, destroyed_at FROM user_keys_to_move ORDER BY user_id LIMIT $1",
            AT_ONCE
        )
        .fetch_all(&mut *from)
        .await?;
        if rows.is_empty() {
            return Ok(moved);
        }
        let mut to = keys.conn().await?;
        for row in &rows {
            sqlx::query(
                "INSERT INTO user_keys (user_id, wrapped, created_at, destroyed_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (user_id) DO NOTHING",
            )
            .bind(row.user_id)
            .bind(&row.wrapped)
            .bind(row.created_at)
            .bind(row.destroyed_at)
            .execute(&mut *to)
            .await?;
        }
        let ids: Vec<Uuid> = rows.iter().map(|row| row.user_id).collect();
        moved += sqlx::query!("DELETE FROM user_keys_to_move WHERE user_id = ANY ($1)", &ids)
            .execute(&mut *from)
            .await?
            .rows_affected();
    }
}
