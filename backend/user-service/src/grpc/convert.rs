//! Between messages and model.

use std::sync::Arc;

use clock::rfc3339;
use errors::FieldExt;
use ids::UserId;
use protos::user::v1 as pb;

use super::fields::{self, Faults};
use crate::app::{Error, Shown};
use crate::model::{
    Account, AllowMessages, Bio, DisplayName, Kind, LanguageTag, Location, PrivacyLevel, ProfileUpdate, Settings,
    SettingsUpdate, TimeZone, Url, Username, Verdict,
};

pub fn profile(shown: Shown) -> pb::UserProfile {
    let Shown { profile, email } = shown;
    let profile = Arc::unwrap_or_clone(profile);
    let address = |url: String| (!url.is_empty()).then_some(url);
    pb::UserProfile {
        id: profile.id.to_string(),
        username: profile.username,
        email: email.map(|email| email.to_string()),
        display_name: profile.display_name,
        bio: profile.bio,
        avatar_url: address(profile.avatar_url),
        cover_url: address(profile.cover_url),
        website: profile.website,
        location: profile.location,
        verified: profile.verified,
        private: profile.private,
        follower_count: profile.follower_count,
        following_count: profile.following_count,
        created_at: rfc3339(profile.created_at),
        updated_at: rfc3339(profile.updated_at),
        deleted_at: profile.deleted_at.map(rfc3339),
        version: profile.version,
    }
}

pub fn profiles(shown: Vec<Shown>) -> Vec<pb::UserProfile> {
    shown.into_iter().map(profile).collect()
}

pub fn profile_update(r: pb::UpdateUserProfileRequest) -> Result<(ProfileUpdate, i64), Error> {
    let mut faults = Faults::default();
    let change = ProfileUpdate {
        display_name: faults.optional("display_name", r.display_name, DisplayName::parse),
        bio: faults.optional("bio", r.bio, Bio::parse),
        avatar_url: faults.optional("avatar_url", r.avatar_url, Url::parse),
        cover_url: faults.optional("cover_url", r.cover_url, Url::parse),
        website: faults.optional("website", r.website, Url::parse),
        location: faults.optional("location", r.location, Location::parse),
        private: r.private,
    };
    let expected = faults.keep(fields::expected_version(r.expected_version)).unwrap_or_default();
    faults.finish()?;
    Ok((change, expected))
}

pub fn settings_update(r: pb::UpdateUserSettingsRequest) -> Result<(SettingsUpdate, i64), Error> {
    let mut faults = Faults::default();
    let change = SettingsUpdate {
        email_notifications: r.email_notifications,
        push_notifications: r.push_notifications,
        marketing_emails: r.marketing_emails,
        timezone: faults.optional("timezone", r.timezone, |text| TimeZone::parse(&text)),
        language: faults.optional("language", r.language, |text| LanguageTag::parse(&text)),
        dark_mode: r.dark_mode,
        privacy_level: faults.optional("privacy_level", r.privacy_level, privacy_level),
        allow_messages: faults.optional("allow_messages", r.allow_messages, allow_messages),
    };
    let expected = faults.keep(fields::expected_version(r.expected_version)).unwrap_or_default();
    faults.finish()?;
    Ok((change, expected))
}

fn privacy_level(value: i32) -> Result<PrivacyLevel, &'static str> {
    use pb::user_settings::PrivacyLevel as Wire;
    match Wire::try_from(value) {
        Ok(Wire::Public) => Ok(PrivacyLevel::Public),
        Ok(Wire::Followers) => Ok(PrivacyLevel::Followers),
        Ok(Wire::Private) => Ok(PrivacyLevel::Private),
        Ok(Wire::Unspecified) | Err(_) => Err("must be PUBLIC, FOLLOWERS or PRIVATE"),
    }
}

fn allow_messages(value: i32) -> Result<AllowMessages, &'static str> {
    use pb::user_settings::AllowMessages as Wire;
    match Wire::try_from(value) {
        Ok(Wire::Everyone) => Ok(AllowMessages::Everyone),
        Ok(Wire::Following) => Ok(AllowMessages::Following),
        Ok(Wire::Nobody) => Ok(AllowMessages::Nobody),
        Ok(Wire::Unspecified) | Err(_) => Err("must be EVERYONE, FOLLOWING or NOBODY"),
    }
}

pub fn settings(settings: Settings) -> pb::UserSettings {
    use pb::user_settings as wire;
    let privacy_level = match settings.privacy_level {
        PrivacyLevel::Public => wire::PrivacyLevel::Public,
        PrivacyLevel::Followers => wire::PrivacyLevel::Followers,
        PrivacyLevel::Private => wire::PrivacyLevel::Private,
    };
    let allow_messages = match settings.allow_messages {
        AllowMessages::Everyone => wire::AllowMessages::Everyone,
        AllowMessages::Following => wire::AllowMessages::Following,
        AllowMessages::Nobody => wire::AllowMessages::Nobody,
    };
    pb::UserSettings {
        user_id: settings.user_id.to_string(),
        email_notifications: settings.email_notifications,
        push_notifications: settings.push_notifications,
        marketing_emails: settings.marketing_emails,
        timezone: settings.timezone,
        language: settings.language,
        dark_mode: settings.dark_mode,
        privacy_level: privacy_level.into(),
        allow_messages: allow_messages.into(),
        created_at: rfc3339(settings.created_at),
        updated_at: rfc3339(settings.updated_at),
        version: settings.version,
    }
}

pub fn kind(kind: Kind) -> i32 {
    use pb::relationship::Kind as Wire;
    let wire = match kind {
        Kind::None => Wire::None,
        Kind::Following => Wire::Following,
        Kind::Follower => Wire::Follower,
        Kind::Mutual => Wire::Mutual,
        Kind::Blocked => Wire::Blocked,
        Kind::Pending => Wire::Pending,
    };
    wire.into()
}

pub fn verdict(verdict: Verdict) -> i32 {
    use pb::contact::Verdict as Wire;
    let wire = match verdict {
        Verdict::Allowed => Wire::Allowed,
        Verdict::NotFound => Wire::NotFound,
        Verdict::BlockedByActor => Wire::BlockedByActor,
        Verdict::BlockedByUser => Wire::BlockedByUser,
        Verdict::NotAllowed => Wire::NotAllowed,
    };
    wire.into()
}

pub fn account(r: pb::EnsureProfileRequest) -> Result<Account, Error> {
    let mut faults = Faults::default();
    let id = faults.keep(UserId::parse(&r.user_id).field("user_id"));
    let display_name = if r.display_name.is_empty() { r.username.clone() } else { r.display_name };
    let username = faults.keep(Username::parse(r.username).field("username"));
    let display_name = faults.keep(DisplayName::parse(display_name).field("display_name"));
    let created_at = faults.keep(fields::time(&r.created_at, "created_at"));
    faults.finish()?;
    let (Some(id), Some(username), Some(display_name), Some(created_at)) = (id, username, display_name, created_at)
    else {
        unreachable!("what is missing is a fault")
    };
    Ok(Account { id, username, display_name, created_at })
}
