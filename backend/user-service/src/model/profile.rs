//! A user as others see them.

use chrono::{DateTime, Utc};
use ids::UserId;

use super::{Bio, DisplayName, Location, Url, Username};

/// What a new profile needs to know of its account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, which the profile shares.
    pub id: UserId,
    /// Its name.
    pub username: Username,
    /// The name to show until its owner sets another.
    pub display_name: DisplayName,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A profile with its counts, as one snapshot of the database shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub id: UserId,
    /// The name that the user logs in with.
    pub username: String,
    /// The name to show.
    pub display_name: String,
    /// A few words.
    pub bio: String,
    /// The picture's address, or empty.
    pub avatar_url: String,
    /// The address of the picture behind the profile, or empty.
    pub cover_url: String,
    /// The address of a page, or empty.
    pub website: String,
    /// A place, or empty.
    pub location: String,
    /// Whether the operator vouches for who this is.
    pub verified: bool,
    /// Whether following needs consent.
    pub private: bool,
    /// Active follows of this user.
    pub follower_count: i64,
    /// Active follows by this user.
    pub following_count: i64,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When the profile was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Starts at 1, grows with each change.
    pub version: i64,
}

/// A change of some fields; those that are `None` stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileUpdate {
    /// The name to show.
    pub display_name: Option<DisplayName>,
    /// A few words.
    pub bio: Option<Bio>,
    /// The picture's address.
    pub avatar_url: Option<Url>,
    /// The address of the picture behind the profile.
    pub cover_url: Option<Url>,
    /// The address of a page.
    pub website: Option<Url>,
    /// A place.
    pub location: Option<Location>,
    /// Whether following needs consent.
    pub private: Option<bool>,
}

impl ProfileUpdate {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
