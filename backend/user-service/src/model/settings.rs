//! What a user has set for themself.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use ids::UserId;

use super::LanguageTag;

/// Who sees the lists of followers and of whom the user follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivacyLevel {
    /// Any user.
    #[default]
    Public,
    /// The user's followers.
    Followers,
    /// The user alone.
    Private,
}

impl PrivacyLevel {
    /// How the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Followers => "followers",
            Self::Private => "private",
        }
    }

    /// Reads the database's spelling.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Public, Self::Followers, Self::Private].into_iter().find(|v| v.as_str() == text)
    }

    /// Whether somebody other than the user may see the lists; a private account shows them to its followers at most.
    pub const fn shows_lists(self, is_private: bool, to_follower: bool) -> bool {
        match self {
            Self::Public => to_follower || !is_private,
            Self::Followers => to_follower,
            Self::Private => false,
        }
    }
}

/// Who may write direct messages to the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowMessages {
    /// Any user.
    #[default]
    Everyone,
    /// Those whom the user follows.
    Following,
    /// Nobody.
    Nobody,
}

impl AllowMessages {
    /// How the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Following => "following",
            Self::Nobody => "nobody",
        }
    }

    /// Reads the database's spelling.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Everyone, Self::Following, Self::Nobody].into_iter().find(|v| v.as_str() == text)
    }
}

/// A time zone that the IANA database knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(chrono_tz::Tz);

/// The text names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone such as UTC or Europe/Berlin")]
pub struct NoTimeZone;

impl TimeZone {
    /// Takes a name out of the IANA database, exactly as it is spelled there.
    ///
    /// # Errors
    /// [`NoTimeZone`].
    pub fn parse(text: &str) -> Result<Self, NoTimeZone> {
        chrono_tz::Tz::from_str(text).map(Self).map_err(|_| NoTimeZone)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0.name()
    }
}

/// A user's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose.
    pub user_id: UserId,
    /// Notifications by e-mail.
    pub email_notifications: bool,
    /// Notifications to devices.
    pub push_notifications: bool,
    /// News of the operator by e-mail.
    pub marketing_emails: bool,
    /// IANA time zone.
    pub timezone: String,
    /// BCP 47 language tag.
    pub language: String,
    /// Dark colours.
    pub dark_mode: bool,
    /// Who sees the lists.
    pub privacy_level: PrivacyLevel,
    /// Who may write.
    pub allow_messages: AllowMessages,
    /// When they were first changed; before that, when the account was made.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
    /// 1 for the defaults, 2 after the first change, and so on.
    pub version: i64,
}

impl Settings {
    /// What holds for who never changed a setting.
    pub fn defaults(user_id: UserId, account_created_at: DateTime<Utc>) -> Self {
        Self {
            user_id,
            email_notifications: true,
            push_notifications: true,
            marketing_emails: false,
            timezone: "UTC".to_owned(),
            language: "en".to_owned(),
            dark_mode: false,
            privacy_level: PrivacyLevel::default(),
            allow_messages: AllowMessages::default(),
            created_at: account_created_at,
            updated_at: account_created_at,
            version: 1,
        }
    }
}

/// A change of some settings; those that are `None` stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsUpdate {
    /// Notifications by e-mail.
    pub email_notifications: Option<bool>,
    /// Notifications to devices.
    pub push_notifications: Option<bool>,
    /// News of the operator by e-mail.
    pub marketing_emails: Option<bool>,
    /// IANA time zone.
    pub timezone: Option<TimeZone>,
    /// BCP 47 language tag.
    pub language: Option<LanguageTag>,
    /// Dark colours.
    pub dark_mode: Option<bool>,
    /// Who sees the lists.
    pub privacy_level: Option<PrivacyLevel>,
    /// Who may write.
    pub allow_messages: Option<AllowMessages>,
}

impl SettingsUpdate {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_shown_as_the_level_says() {
        // (level, private account, asked by a follower, shown)
        for (level, is_private, to_follower, shown) in [
            (PrivacyLevel::Public, false, false, true),
            (PrivacyLevel::Public, false, true, true),
            (PrivacyLevel::Public, true, false, false),
            (PrivacyLevel::Public, true, true, true),
            (PrivacyLevel::Followers, false, false, false),
            (PrivacyLevel::Followers, false, true, true),
            (PrivacyLevel::Followers, true, true, true),
            (PrivacyLevel::Private, false, true, false),
            (PrivacyLevel::Private, true, true, false),
        ] {
            assert_eq!(level.shows_lists(is_private, to_follower), shown, "{level:?} {is_private} {to_follower}");
        }
    }

    #[test]
    fn time_zones_are_spelled_as_iana_does() {
        assert_eq!(TimeZone::parse("Europe/Berlin").expect("valid").as_str(), "Europe/Berlin");
        assert_eq!(TimeZone::parse("UTC").expect("valid").as_str(), "UTC");
        for bad in ["", "Mars/Base", "europe/berlin", "+01:00", "UTC "] {
            assert_eq!(TimeZone::parse(bad), Err(NoTimeZone), "{bad}");
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for level in [PrivacyLevel::Public, PrivacyLevel::Followers, PrivacyLevel::Private] {
            assert_eq!(PrivacyLevel::from_stored(level.as_str()), Some(level));
        }
        for allow in [AllowMessages::Everyone, AllowMessages::Following, AllowMessages::Nobody] {
            assert_eq!(AllowMessages::from_stored(allow.as_str()), Some(allow));
        }
        assert_eq!(PrivacyLevel::from_stored("x"), None);
    }
}
