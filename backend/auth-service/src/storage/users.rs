//! Table `users`.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::{Email, User, Username, role};

/// The constraint that keeps user names apart.
pub const USERNAME_KEY: &str = "users_username_key";
/// The index that keeps e-mails apart.
pub const EMAIL_KEY: &str = "users_email_key";

pub(super) struct Row {
    pub id: Uuid,
    pub username: String,
    pub email: String,
    pub email_verified: bool,
    pub active: bool,
    pub roles: Vec<String>,
    pub failed_attempts: i32,
    pub locked_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            active: row.active,
            roles: role::with_user(row.roles),
            failed_attempts: row.failed_attempts,
            locked_until: row.locked_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A new account.
pub struct NewUser<'a> {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub username: &'a Username,
    /// Its e-mail.
    pub email: &'a Email,
    /// Hash of its password.
    pub password_hash: &'a str,
    /// Name for its profile, if another than the user name.
    pub display_name: Option<&'a str>,
    /// When the worker makes the profile, if the call at registration does not.
    pub profile_sync_at: DateTime<Utc>,
}

/// Inserts an account with its password.
pub async fn insert_user(conn: &mut PgConnection, new: &NewUser<'_>, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"WITH account AS (
               INSERT INTO users (id, username, email, created_at, updated_at, profile_sync, profile_sync_at, profile_display_name)
               VALUES ($1, $2, $3, $4, $4, 'create', $5, $6)
           )
           INSERT INTO credentials (user_id, password_hash, password_changed_at) VALUES ($1, $7, $4)"#,
        new.id.uuid(),
        new.username.as_str(),
        new.email.as_str(),
        now,
        new.profile_sync_at,
        new.display_name,
        new.password_hash,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of a name and an e-mail are taken.
pub struct Taken {
    /// An account has or had this name.
    pub username: bool,
    /// A live account has this e-mail.
    pub email: bool,
}

/// Tells whether a name or an e-mail is taken. The constraints have the last word.
pub async fn find_taken(conn: &mut PgConnection, username: &Username, email: &Email) -> Result<Taken, pg::Error> {
    let taken = sqlx::query_as!(
        Taken,
        r#"SELECT EXISTS (SELECT FROM users WHERE username = $1) AS "username!",
                  EXISTS (SELECT FROM users WHERE lower(email) = $2 AND deleted_at IS NULL) AS "email!""#,
        username.as_str(),
        email.folded(),
    )
    .fetch_one(conn)
    .await?;
    Ok(taken)
}

/// Reads a live account.
pub async fn find_user(conn: &mut PgConnection, id: UserId) -> Result<Option<User>, pg::Error> {
    Ok(find_users(conn, &[id]).await?.pop())
}

/// Reads live accounts, in no order.
pub async fn find_users(conn: &mut PgConnection, ids: &[UserId]) -> Result<Vec<User>, pg::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT u.id, u.username, u.email AS "email!", u.email_verified, u.active, u.created_at, u.updated_at,
                  ARRAY(SELECT role FROM user_roles WHERE user_id = u.id) AS "roles!", c.failed_attempts, c.locked_until
           FROM users u JOIN credentials c ON c.user_id = u.id
           WHERE u.id = ANY($1) AND u.deleted_at IS NULL"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Reads the live account that has an e-mail, given in lower case.
pub async fn find_user_by_email(conn: &mut PgConnection, email: &str) -> Result<Option<User>, pg::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT u.id, u.username, u.email AS "email!", u.email_verified, u.active, u.created_at, u.updated_at,
                  ARRAY(SELECT role FROM user_roles WHERE user_id = u.id) AS "roles!", c.failed_attempts, c.locked_until
           FROM users u JOIN credentials c ON c.user_id = u.id
           WHERE lower(u.email) = $1 AND u.deleted_at IS NULL"#,
        email,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(User::from))
}

/// Reads the live account that has a name.
pub async fn find_user_by_username(conn: &mut PgConnection, username: &str) -> Result<Option<UserId>, pg::Error> {
    let id = sqlx::query_scalar!("SELECT id FROM users WHERE username = $1 AND deleted_at IS NULL", username)
        .fetch_optional(conn)
        .await?;
    Ok(id.map(UserId::from))
}

/// Tells whether there is a live account of this id.
pub async fn is_live(conn: &mut PgConnection, id: UserId) -> Result<bool, pg::Error> {
    let live = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE id = $1 AND deleted_at IS NULL) AS "live!""#,
        id.uuid(),
    )
    .fetch_one(conn)
    .await?;
    Ok(live)
}

/// What a token says of a person, read under a lock.
pub struct Locked {
    /// Their name.
    pub username: String,
    /// Whether the account may be used.
    pub active: bool,
}

/// Keeps an account from being changed or deleted until the transaction ends; for who issues tokens.
pub async fn lock_for_tokens(conn: &mut PgConnection, id: UserId) -> Result<Option<Locked>, pg::Error> {
    let row = sqlx::query_as!(
        Locked,
        "SELECT username, active FROM users WHERE id = $1 AND deleted_at IS NULL FOR SHARE",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Keeps tokens from being issued for an account until the transaction ends; for who changes what they say.
pub async fn lock_for_change(conn: &mut PgConnection, id: UserId) -> Result<Option<Locked>, pg::Error> {
    let row = sqlx::query_as!(
        Locked,
        "SELECT username, active FROM users WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Remembers that the e-mail is the person's.
pub async fn set_email_verified(conn: &mut PgConnection, id: UserId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!(
        "UPDATE users SET email_verified = true, updated_at = $2 WHERE id = $1 AND NOT email_verified",
        id.uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that something about the account changed that is kept in another table.
pub async fn touch(conn: &mut PgConnection, id: UserId, now: DateTime<Utc>) -> Result<(), pg::Error> {
    sqlx::query!("UPDATE users SET updated_at = $2 WHERE id = $1", id.uuid(), now).execute(conn).await?;
    Ok(())
}

/// Deletes an account: the row stays, and with it the name; everything that could log in or be written to is erased.
pub async fn delete_user(
    conn: &mut PgConnection,
    id: UserId,
    now: DateTime<Utc>,
    profile_sync_at: DateTime<Utc>,
) -> Result<(), pg::Error> {
    sqlx::query!(
        r#"UPDATE users SET deleted_at = $2, updated_at = $2, email = NULL, email_verified = false,
                            profile_sync = 'delete', profile_sync_at = $3, profile_display_name = NULL
           WHERE id = $1"#,
        id.uuid(),
        now,
        profile_sync_at,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM credentials WHERE user_id = $1", id.uuid()).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM totp WHERE user_id = $1", id.uuid()).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM recovery_codes WHERE user_id = $1", id.uuid()).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM one_time_tokens WHERE user_id = $1", id.uuid()).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM user_roles WHERE user_id = $1", id.uuid()).execute(conn).await?;
    Ok(())
}

/// When an account was deleted, if it was.
pub async fn deleted_at(conn: &mut PgConnection, id: UserId) -> Result<Option<DateTime<Utc>>, pg::Error> {
    let at = sqlx::query_scalar!("SELECT deleted_at FROM users WHERE id = $1", id.uuid()).fetch_optional(conn).await?;
    Ok(at.flatten())
}
