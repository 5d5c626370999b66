//! Table `one_time_tokens`.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;

use crate::model::TokenHash;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Setting a new password.
    PasswordReset,
    /// Showing that an e-mail is one's own.
    EmailVerification,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
        }
    }
}

/// Stores a token in place of the person's former one of the same purpose. False, and nothing is done, if the account is
/// gone or the former one was made after `made_before`.
pub async fn replace_token(
    conn: &mut PgConnection,
    user: UserId,
    purpose: Purpose,
    hash: &TokenHash,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    made_before: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        r#"INSERT INTO one_time_tokens AS former (user_id, purpose, token_hash, created_at, expires_at)
           SELECT id, $2, $3, $4, $5 FROM users WHERE id = $1 AND deleted_at IS NULL FOR SHARE
           ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = $3, created_at = $4, expires_at = $5
           WHERE former.created_at <= $6"#,
        user.uuid(),
        purpose.name(),
        hash.as_slice(),
        now,
        expires_at,
        made_before,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Whose live token this is.
pub async fn find_owner(
    conn: &mut PgConnection,
    purpose: Purpose,
    hash: &TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, pg::Error> {
    let owner = sqlx::query_scalar!(
        "SELECT user_id FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3",
        hash.as_slice(),
        purpose.name(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(owner.map(UserId::from))
}

/// Uses up a live token. False if it was used or replaced meanwhile.
pub async fn use_token(
    conn: &mut PgConnection,
    purpose: Purpose,
    hash: &TokenHash,
    now: DateTime<Utc>,
) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        "DELETE FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3",
        hash.as_slice(),
        purpose.name(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a person's token of one purpose, if there is one.
pub async fn delete_token(conn: &mut PgConnection, user: UserId, purpose: Purpose) -> Result<(), pg::Error> {
    sqlx::query!("DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2", user.uuid(), purpose.name())
        .execute(conn)
        .await?;
    Ok(())
}
