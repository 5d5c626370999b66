//! What the user service still has to be told of, in the columns `users.profile_*`.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;

/// An account whose profile has to be made or deleted.
pub struct Pending {
    /// The account.
    pub user: UserId,
    /// Its name.
    pub username: String,
    /// Name for the profile, if another than the user name.
    pub display_name: Option<String>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it was deleted; absent if its profile has to be made.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Takes accounts that are due, and makes them due again at `again_at`, in case this process dies before it is done.
pub async fn claim_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Pending>, pg::Error> {
    let rows = sqlx::query!(
        r#"UPDATE users SET profile_sync_at = $2
           WHERE id IN (
               SELECT id FROM users WHERE profile_sync IS NOT NULL AND profile_sync_at <= $1
               ORDER BY profile_sync_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
           )
           RETURNING id, username, profile_display_name, created_at, deleted_at"#,
        now,
        again_at,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let pending = rows.into_iter().map(|row| Pending {
        user: row.id.into(),
        username: row.username,
        display_name: row.profile_display_name,
        created_at: row.created_at,
        deleted_at: row.deleted_at,
    });
    Ok(pending.collect())
}

/// Notes that the user service knows. An account that was deleted meanwhile stays due.
pub async fn finish(conn: &mut PgConnection, user: UserId, deleted: bool) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"UPDATE users SET profile_sync = NULL, profile_sync_at = NULL, profile_display_name = NULL
           WHERE id = $1 AND profile_sync = CASE WHEN $2 THEN 'delete' ELSE 'create' END"#,
        user.uuid(),
        deleted,
    )
    .execute(conn)
    .await?;
    Ok(())
}
