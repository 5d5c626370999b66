//! Table `settings`. A user without a row has the defaults, as version 1.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::model::{AllowMessages, PrivacyLevel, Settings, SettingsUpdate};

struct Row {
    user_id: Uuid,
    email_notifications: bool,
    push_notifications: bool,
    marketing_emails: bool,
    timezone: String,
    language: String,
    dark_mode: bool,
    privacy_level: String,
    allow_messages: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Settings {
    type Error = pg::Error;

    fn try_from(row: Row) -> Result<Self, pg::Error> {
        let user = UserId::from(row.user_id);
        let privacy_level = privacy_level(user, &row.privacy_level)?;
        let allow_messages = allow_messages(user, &row.allow_messages)?;
        Ok(Self {
            user_id: user,
            email_notifications: row.email_notifications,
            push_notifications: row.push_notifications,
            marketing_emails: row.marketing_emails,
            timezone: row.timezone,
            language: row.language,
            dark_mode: row.dark_mode,
            privacy_level,
            allow_messages,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }
}

pub(super) fn privacy_level(user: UserId, stored: &str) -> Result<PrivacyLevel, pg::Error> {
    PrivacyLevel::from_stored(stored).ok_or_else(|| corrupt(user, "privacy_level", stored))
}

pub(super) fn allow_messages(user: UserId, stored: &str) -> Result<AllowMessages, pg::Error> {
    AllowMessages::from_stored(stored).ok_or_else(|| corrupt(user, "allow_messages", stored))
}

fn corrupt(user: UserId, column: &'static str, stored: &str) -> pg::Error {
    pg::Corrupt { table: "settings", column, row: user.to_string(), fault: format!("unknown value {stored}") }.into()
}

/// What is stored about a user's settings.
pub enum Stored {
    /// The user is not known here.
    Unknown,
    /// The account is deleted.
    Deleted,
    /// The settings, or the defaults of who never changed any.
    Live(Settings),
}

/// Reads the settings of a user.
pub async fn find(conn: &mut PgConnection, user: UserId) -> Result<Stored, pg::Error> {
    let defaults = Settings::defaults(user, DateTime::UNIX_EPOCH);
    let row = sqlx::query!(
        r#"SELECT p.deleted_at AS "deleted_at?",
                  COALESCE(s.email_notifications, $2) AS "email_notifications!",
                  COALESCE(s.push_notifications, $3) AS "push_notifications!",
                  COALESCE(s.marketing_emails, $4) AS "marketing_emails!",
                  COALESCE(s.timezone, $5) AS "timezone!", COALESCE(s.language, $6) AS "language!",
                  COALESCE(s.dark_mode, $7) AS "dark_mode!", COALESCE(s.privacy_level, $8) AS "privacy_level!",
                  COALESCE(s.allow_messages, $9) AS "allow_messages!", COALESCE(s.version, 1) AS "version!",
                  COALESCE(s.created_at, p.created_at) AS "created_at!", COALESCE(s.updated_at, p.created_at) AS "updated_at!"
           FROM profiles p LEFT JOIN settings s ON s.user_id = p.user_id
           WHERE p.user_id = $1"#,
        user.uuid(),
        defaults.email_notifications,
        defaults.push_notifications,
        defaults.marketing_emails,
        defaults.timezone,
        defaults.language,
        defaults.dark_mode,
        defaults.privacy_level.as_str(),
        defaults.allow_messages.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Stored::Unknown) };
    if row.deleted_at.is_some() {
        return Ok(Stored::Deleted);
    }
    let row = Row {
        user_id: user.uuid(),
        email_notifications: row.email_notifications,
        push_notifications: row.push_notifications,
        marketing_emails: row.marketing_emails,
        timezone: row.timezone,
        language: row.language,
        dark_mode: row.dark_mode,
        privacy_level: row.privacy_level,
        allow_messages: row.allow_messages,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(Stored::Live(row.try_into()?))
}

/// Changes the settings of a live user if they are at `expected_version` (0: any version). `None`: there is no such user, or
/// they are at another version.
pub async fn upsert(
    conn: &mut PgConnection,
    user: UserId,
    change: &SettingsUpdate,
    expected_version: i64,
    now: DateTime<Utc>,
) -> Result<Option<Settings>, pg::Error> {
    let defaults = Settings::defaults(user, now);
    // The inserted row is the first change of the defaults, so it needs version 1 to be expected; on a conflict the stored
    // version decides.
    let row = sqlx::query_as!(
        Row,
        r#"INSERT INTO settings AS s (user_id, email_notifications, push_notifications, marketing_emails, timezone, language,
                                      dark_mode, privacy_level, allow_messages, version, created_at, updated_at)
           SELECT p.user_id, COALESCE($2, $10::boolean), COALESCE($3, $11::boolean), COALESCE($4, $12::boolean),
                  COALESCE($5, $13::text), COALESCE($6, $14::text), COALESCE($7, $15::boolean), COALESCE($8, $16::text),
                  COALESCE($9, $17::text), 2, $18::timestamptz, $18
           FROM profiles p
           WHERE p.user_id = $1 AND p.deleted_at IS NULL
             AND ($19::bigint IN (0, 1) OR EXISTS (SELECT FROM settings WHERE settings.user_id = $1))
           ON CONFLICT (user_id) DO UPDATE SET
               email_notifications = COALESCE($2, s.email_notifications), push_notifications = COALESCE($3, s.push_notifications),
               marketing_emails = COALESCE($4, s.marketing_emails), timezone = COALESCE($5, s.timezone),
               language = COALESCE($6, s.language), dark_mode = COALESCE($7, s.dark_mode),
               privacy_level = COALESCE($8, s.privacy_level), allow_messages = COALESCE($9, s.allow_messages),
               version = s.version + 1, updated_at = GREATEST($18, s.updated_at)
           WHERE $19 = 0 OR s.version = $19
           RETURNING user_id, email_notifications, push_notifications, marketing_emails, timezone, language, dark_mode,
                     privacy_level, allow_messages, version, created_at, updated_at"#,
        user.uuid(),
        change.email_notifications,
        change.push_notifications,
        change.marketing_emails,
        change.timezone.map(|v| v.as_str()),
        change.language.as_ref().map(|v| v.as_str()),
        change.dark_mode,
        change.privacy_level.map(|v| v.as_str()),
        change.allow_messages.map(|v| v.as_str()),
        defaults.email_notifications,
        defaults.push_notifications,
        defaults.marketing_emails,
        defaults.timezone,
        defaults.language,
        defaults.dark_mode,
        defaults.privacy_level.as_str(),
        defaults.allow_messages.as_str(),
        now,
        expected_version,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Settings::try_from).transpose()
}
