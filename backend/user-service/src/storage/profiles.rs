//! Table `profiles`, read together with the counts.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::settings;
use crate::model::{Account, Bio, DisplayName, Location, PrivacyLevel, Profile, ProfileUpdate, Url};

/// A profile, and whether its owner has blocked who looks.
pub struct Found {
    /// The profile; it may be a deleted one.
    pub profile: Profile,
    /// Whether the owner has blocked the viewer.
    pub hides_from_viewer: bool,
}

impl Found {
    /// The profile, if it may be shown.
    pub fn visible(self) -> Option<Profile> {
        self.is_visible().then_some(self.profile)
    }

    /// Whether the profile may be shown.
    pub fn is_visible(&self) -> bool {
        self.profile.deleted_at.is_none() && !self.hides_from_viewer
    }
}

struct Row {
    user_id: Uuid,
    username: String,
    display_name: String,
    bio: String,
    avatar_url: String,
    cover_url: String,
    website: String,
    location: String,
    verified: bool,
    private: bool,
    follower_count: i64,
    following_count: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    version: i64,
    hides_from_viewer: bool,
}

impl From<Row> for Found {
    fn from(row: Row) -> Self {
        let profile = Profile {
            id: row.user_id.into(),
            username: row.username,
            display_name: row.display_name,
            bio: row.bio,
            avatar_url: row.avatar_url,
            cover_url: row.cover_url,
            website: row.website,
            location: row.location,
            verified: row.verified,
            private: row.private,
            follower_count: row.follower_count,
            following_count: row.following_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            version: row.version,
        };
        Self { profile, hides_from_viewer: row.hides_from_viewer }
    }
}

/// One statement that gives [`Row`]s: `$with` comes first, `$from` says where `p` (of `profiles`) comes from; `$1` is the viewer.
macro_rules! select_profiles {
    ($with:tt, $from:tt, $($arg:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            $with + r#"
            SELECT p.user_id, p.username, p.display_name, p.bio, p.avatar_url, p.cover_url, p.website, p.location, p.verified,
                   p.private, p.created_at, p.updated_at, p.deleted_at, p.version,
                   c.followers AS "follower_count!", c.following AS "following_count!",
                   EXISTS (SELECT FROM blocks b WHERE b.blocker_id = p.user_id AND b.blocked_id = $1::uuid) AS "hides_from_viewer!"
            FROM "# + $from + r#"
            CROSS JOIN LATERAL (
                SELECT GREATEST(COALESCE(sum(followers), 0), 0)::bigint AS followers,
                       GREATEST(COALESCE(sum(following), 0), 0)::bigint AS following
                FROM follow_counts WHERE follow_counts.user_id = p.user_id
            ) c"#,
            $($arg),*
        )
    };
}

/// One profile, deleted or not, as `viewer` finds it.
pub async fn find(conn: &mut PgConnection, viewer: Option<UserId>, user: UserId) -> Result<Option<Found>, pg::Error> {
    let row =
        select_profiles!("", "(SELECT * FROM profiles WHERE user_id = $2) p", viewer.map(UserId::uuid), user.uuid(),)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(Found::from))
}

/// The profiles of these users, deleted or not, in no order, as `viewer` finds them; unknown ids are missing.
pub async fn find_many(
    conn: &mut PgConnection,
    viewer: Option<UserId>,
    users: &[Uuid],
) -> Result<Vec<Found>, pg::Error> {
    let rows =
        select_profiles!("", "(SELECT * FROM profiles WHERE user_id = ANY($2)) p", viewer.map(UserId::uuid), users,)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(Found::from).collect())
}

/// Changes a live profile if it is at `expected_version` (0: any version). `None`: there is none, or it is at another version.
pub async fn update(
    conn: &mut PgConnection,
    user: UserId,
    change: &ProfileUpdate,
    expected_version: i64,
    now: DateTime<Utc>,
) -> Result<Option<Profile>, pg::Error> {
    let display_name = change.display_name.as_ref().map(DisplayName::as_str);
    let row = select_profiles!(
        r#"WITH changed AS (
            UPDATE profiles SET
                display_name = COALESCE($3, display_name), display_key = COALESCE($4, display_key),
                name_is_due = name_is_due AND $3 IS NULL, bio = COALESCE($5, bio),
                avatar_url = COALESCE($6, avatar_url), cover_url = COALESCE($7, cover_url), website = COALESCE($8, website),
                location = COALESCE($9, location), private = COALESCE($10, private),
                version = version + 1, updated_at = GREATEST($11, updated_at)
            WHERE user_id = $2 AND deleted_at IS NULL AND ($12::bigint = 0 OR version = $12)
            RETURNING *
        )"#,
        "changed p",
        None::<Uuid>,
        user.uuid(),
        display_name,
        display_name.map(str::to_lowercase),
        change.bio.as_ref().map(Bio::as_str),
        change.avatar_url.as_ref().map(Url::as_str),
        change.cover_url.as_ref().map(Url::as_str),
        change.website.as_ref().map(Url::as_str),
        change.location.as_ref().map(Location::as_str),
        change.private,
        now,
        expected_version,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Found::from(row).profile))
}

/// Makes a profile unless the id has one, even a deleted one. Tells whether it did.
///
/// `name_is_due`: the account was asked for before it was announced, so that its display name is still to come.
pub async fn insert(conn: &mut PgConnection, account: &Account, name_is_due: bool) -> Result<bool, pg::Error> {
    let display_name = account.display_name.as_str();
    let done = sqlx::query!(
        r#"INSERT INTO profiles (user_id, username, display_name, display_key, created_at, updated_at, name_is_due)
           VALUES ($1, $2, $3, $4, $5, $5, $6)
           ON CONFLICT (user_id) DO NOTHING"#,
        account.id.uuid(),
        account.username.as_str(),
        display_name,
        display_name.to_lowercase(),
        account.created_at,
        name_is_due,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives a live profile the display name that it was made without, if its owner has not set one since. The profile's version if
/// it shows another name now.
pub async fn fill_name(
    conn: &mut PgConnection,
    account: &Account,
    now: DateTime<Utc>,
) -> Result<Option<i64>, pg::Error> {
    let display_name = account.display_name.as_str();
    let row = sqlx::query!(
        r#"WITH before AS (
               SELECT user_id, display_name FROM profiles WHERE user_id = $1 AND name_is_due AND deleted_at IS NULL
               FOR NO KEY UPDATE
           )
           UPDATE profiles p SET name_is_due = false, display_name = $2, display_key = $3,
               version = p.version + (b.display_name <> $2)::integer,
               updated_at = CASE WHEN b.display_name = $2 THEN p.updated_at ELSE GREATEST($4, p.updated_at) END
           FROM before b WHERE p.user_id = b.user_id
           RETURNING p.version, b.display_name <> $2 AS "is_another!""#,
        account.id.uuid(),
        display_name,
        display_name.to_lowercase(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.filter(|row| row.is_another).map(|row| row.version))
}

/// Keeps a live profile from being changed until the transaction ends, and tells its version.
pub async fn lock(conn: &mut PgConnection, user: UserId) -> Result<Option<i64>, pg::Error> {
    let version = sqlx::query_scalar!(
        "SELECT version FROM profiles WHERE user_id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
        user.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(version)
}

/// Deletes a profile, or remembers an unknown id as deleted. Tells whether it was not deleted before.
pub async fn delete(conn: &mut PgConnection, user: UserId, deleted_at: DateTime<Utc>) -> Result<bool, pg::Error> {
    let done = sqlx::query!(
        r#"INSERT INTO profiles AS p (user_id, username, display_name, display_key, created_at, updated_at, deleted_at)
           VALUES ($1, '', '', '', $2, $2, $2)
           ON CONFLICT (user_id) DO UPDATE SET deleted_at = $2, updated_at = GREATEST($2, p.updated_at), version = p.version + 1
           WHERE p.deleted_at IS NULL"#,
        user.uuid(),
        deleted_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What decides who sees a user's lists.
pub struct ListGate {
    /// Whether the account is deleted.
    pub is_deleted: bool,
    /// Whether the owner has blocked the viewer.
    pub hides_from_viewer: bool,
    /// Whether following needs consent.
    pub is_private: bool,
    /// What the owner has set.
    pub privacy_level: PrivacyLevel,
    /// Whether the viewer follows the owner.
    pub viewer_follows: bool,
    /// How long the list of followers is.
    pub follower_count: i64,
    /// How long the list of users followed is.
    pub following_count: i64,
}

/// Reads what decides whether `viewer` sees the lists of `owner`; `None`: there is no such user.
pub async fn list_gate(
    conn: &mut PgConnection,
    viewer: Option<UserId>,
    owner: UserId,
) -> Result<Option<ListGate>, pg::Error> {
    let row = sqlx::query!(
        r#"SELECT p.deleted_at IS NOT NULL AS "is_deleted!", p.private, s.privacy_level AS "privacy_level?",
                  EXISTS (SELECT FROM blocks b WHERE b.blocker_id = p.user_id AND b.blocked_id = $1::uuid) AS "hides_from_viewer!",
                  EXISTS (SELECT FROM follows f WHERE f.follower_id = $1 AND f.followee_id = p.user_id AND f.status = 'active')
                      AS "viewer_follows!",
                  GREATEST(COALESCE(c.followers, 0), 0) AS "follower_count!",
                  GREATEST(COALESCE(c.following, 0), 0) AS "following_count!"
           FROM profiles p LEFT JOIN settings s ON s.user_id = p.user_id
           CROSS JOIN LATERAL (SELECT sum(followers)::bigint AS followers, sum(following)::bigint AS following
                               FROM follow_counts WHERE follow_counts.user_id = p.user_id) c
           WHERE p.user_id = $2"#,
        viewer.map(UserId::uuid),
        owner.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let privacy_level = match row.privacy_level {
        None => PrivacyLevel::default(),
        Some(stored) => settings::privacy_level(owner, &stored)?,
    };
    Ok(Some(ListGate {
        is_deleted: row.is_deleted,
        hides_from_viewer: row.hides_from_viewer,
        is_private: row.private,
        privacy_level,
        viewer_follows: row.viewer_follows,
        follower_count: row.follower_count,
        following_count: row.following_count,
    }))
}
