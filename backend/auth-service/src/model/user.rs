//! Accounts and sessions as they are read.

use chrono::{DateTime, Utc};
use ids::{SessionId, UserId};

/// An account that is not deleted.
#[derive(Clone)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its name, in lower case.
    pub username: String,
    /// Its e-mail as it was written.
    pub email: String,
    /// Whether the person has shown that the e-mail is theirs.
    pub email_verified: bool,
    /// Whether the account may be used.
    pub active: bool,
    /// All roles, `user` among them, in alphabetical order.
    pub roles: Vec<String>,
    /// Failed log-ins in a row.
    pub failed_attempts: i32,
    /// Until when log-in is locked; may lie in the past.
    pub locked_until: Option<DateTime<Utc>>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A log-in on one device.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The device as the person named it; empty if not.
    pub device_name: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When its tokens were last refreshed.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}
