//! What is held on a person: rows of several tables, without what proves who they are.

use chrono::{DateTime, Utc};
use ids::{SessionId, UserId};
use sqlx::PgConnection;

use crate::model::Session;

/// How a person proves who they are, without what with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// When the password was last set.
    pub password_changed_at: DateTime<Utc>,
    /// When it was last wrong, unless a right one has come since.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// When a secret for a second factor was made.
    pub totp_created_at: Option<DateTime<Utc>>,
    /// Since when the second factor is asked for.
    pub totp_confirmed_at: Option<DateTime<Utc>>,
    /// Recovery codes that are left.
    pub recovery_codes: i64,
}

/// Reads how a person proves who they are; nothing once the account is deleted.
pub async fn find_credentials(conn: &mut PgConnection, user: UserId) -> Result<Option<Credentials>, pg::Error> {
    let row = sqlx::query_as!(
        Credentials,
        r#"SELECT c.password_changed_at, c.last_failed_at, t.created_at AS "totp_created_at?",
                  t.confirmed_at AS totp_confirmed_at,
                  (SELECT count(*) FROM recovery_codes r WHERE r.user_id = c.user_id) AS "recovery_codes!"
           FROM credentials c LEFT JOIN totp t ON t.user_id = c.user_id
           WHERE c.user_id = $1"#,
        user.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// A role that was given to a person.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The role.
    pub role: String,
    /// When it was given.
    pub granted_at: DateTime<Utc>,
}

/// Roles of a person besides `user`.
pub async fn list_grants(conn: &mut PgConnection, user: UserId) -> Result<Vec<Grant>, pg::Error> {
    let rows = sqlx::query_as!(
        Grant,
        "SELECT role, granted_at FROM user_roles WHERE user_id = $1 ORDER BY role",
        user.uuid(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// A mail with a token that was sent to a person, as far as it is remembered.
#[derive(Clone, Debug)]
pub struct MailToken {
    /// What the token is for.
    pub purpose: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

/// Mails with tokens that are remembered; one of each purpose at most.
pub async fn list_mail_tokens(conn: &mut PgConnection, user: UserId) -> Result<Vec<MailToken>, pg::Error> {
    let rows = sqlx::query_as!(
        MailToken,
        "SELECT purpose, created_at, expires_at FROM one_time_tokens WHERE user_id = $1 ORDER BY purpose",
        user.uuid(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// A session, also one that has ended.
#[derive(Clone, Debug)]
pub struct KeptSession {
    /// The session.
    pub session: Session,
    /// When it was ended, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Sessions of a person that are kept, oldest first, after one of them. One statement for those that are alive and those that
/// have ended, so that one that ends meanwhile is in one page, once.
pub async fn list_sessions(
    conn: &mut PgConnection,
    user: UserId,
    after: Option<SessionId>,
    limit: i64,
) -> Result<Vec<KeptSession>, pg::Error> {
    let rows = sqlx::query!(
        r#"SELECT s.id AS "id!", s.device_name AS "device_name!", s.created_at AS "created_at!",
                  s.last_used_at AS "last_used_at!", s.expires_at AS "expires_at!", s.revoked_at
           FROM (
               (SELECT * FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND id > $2 ORDER BY id LIMIT $3)
               UNION ALL
               (SELECT * FROM sessions WHERE user_id = $1 AND revoked_at IS NOT NULL AND id > $2 ORDER BY id LIMIT $3)) s
           ORDER BY s.id
           LIMIT $3"#,
        user.uuid(),
        after.map_or(uuid::Uuid::nil(), SessionId::uuid),
        limit,
    )
    .fetch_all(conn)
    .await?;
    let sessions = rows.into_iter().map(|row| KeptSession {
        session: Session {
            id: row.id.into(),
            device_name: row.device_name,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        },
        revoked_at: row.revoked_at,
    });
    Ok(sessions.collect())
}
