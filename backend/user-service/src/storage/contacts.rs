//! Who may write to whom: read from several tables in one round trip.

use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::settings;
use crate::model::{AllowMessages, ContactFacts};

/// What stands between `actor` and each of `users`, in no order; ids without a profile are missing.
pub async fn facts(
    conn: &mut PgConnection,
    actor: UserId,
    users: &[Uuid],
) -> Result<Vec<(UserId, ContactFacts)>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT p.user_id AS "user_id!", p.deleted_at IS NULL AS "is_live!", s.allow_messages AS "allow_messages?",
                  EXISTS (SELECT FROM blocks b WHERE b.blocker_id = $1 AND b.blocked_id = p.user_id) AS "blocked_by_actor!",
                  EXISTS (SELECT FROM blocks b WHERE b.blocker_id = p.user_id AND b.blocked_id = $1) AS "blocked_by_user!",
                  EXISTS (SELECT FROM follows f WHERE f.follower_id = p.user_id AND f.followee_id = $1 AND f.status = 'active')
                      AS "follows_actor!"
           FROM profiles p LEFT JOIN settings s ON s.user_id = p.user_id
           WHERE p.user_id = ANY($2)"#,
        actor.uuid(),
        users,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let allow_messages = match row.allow_messages {
                None => AllowMessages::default(),
                Some(stored) => settings::allow_messages(row.user_id.into(), &stored)?,
            };
            let facts = ContactFacts {
                is_actor: row.user_id == actor.uuid(),
                is_live: row.is_live,
                blocked_by_actor: row.blocked_by_actor,
                blocked_by_user: row.blocked_by_user,
                follows_actor: row.follows_actor,
                allow_messages,
            };
            Ok((row.user_id.into(), facts))
        })
        .collect()
}
