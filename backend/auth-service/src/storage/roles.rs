//! Tables `user_roles` and `role_permissions`.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::Role;

/// Grants a role. False if the person had it.
pub async fn insert_role(
    conn: &mut PgConnection,
    user: UserId,
    role: Role,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "INSERT INTO user_roles (user_id, role, granted_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        user.uuid(),
        role.name(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a role away. False if the person did not have it.
pub async fn delete_role(conn: &mut PgConnection, user: UserId, role: Role) -> Result<bool, pg::Error> {
    let done = sqlx::query!("DELETE FROM user_roles WHERE user_id = $1 AND role = $2", user.uuid(), role.name())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Whether a person is the only administrator. The rows stay locked until the transaction ends, so that two
/// administrators can't remove each other at the same moment.
pub async fn is_last_admin(conn: &mut PgConnection, user: UserId) -> Result<bool, pg::Error> {
    let admins: Vec<Uuid> =
        sqlx::query_scalar!("SELECT user_id FROM user_roles WHERE role = 'admin' ORDER BY user_id FOR UPDATE")
            .fetch_all(conn)
            .await?;
    Ok(admins == [user.uuid()])
}

/// What a person may do.
pub struct Granted {
    /// Whether the account may be used.
    pub active: bool,
    /// Roles that were granted, in no order.
    pub roles: Vec<String>,
    /// Permissions of these and of `user`, in alphabetical order.
    pub permissions: Vec<String>,
}

/// Reads what a live account's person may do.
pub async fn find_granted(conn: &mut PgConnection, user: UserId) -> Result<Option<Granted>, pg::Error> {
    let row = sqlx::query_as!(
        Granted,
        r#"SELECT u.active,
                  ARRAY(SELECT role FROM user_roles r WHERE r.user_id = u.id) AS "roles!",
                  ARRAY(SELECT DISTINCT permission FROM role_permissions p
                        WHERE p.role = 'user' OR p.role IN (SELECT role FROM user_roles r WHERE r.user_id = u.id)
                        ORDER BY permission) AS "permissions!"
           FROM users u WHERE u.id = $1 AND u.deleted_at IS NULL"#,
        user.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}
