//! Settings: defaults, partial updates, versions, bounds.

use errors::ErrorDetailsOf;
use protos::user::v1 as pb;
use protos::user::v1::user_settings::{AllowMessages, PrivacyLevel};
use testkit::assert_reason;
use tonic::{Code, Status};

use crate::world::{Person, World};

async fn settings(person: &Person) -> Result<pb::UserSettings, Status> {
    let request = pb::GetUserSettingsRequest { user_id: person.id.to_string() };
    Ok(person.client().get_user_settings(request).await?.into_inner().settings.expect("an answer has settings"))
}

fn set(change: impl FnOnce(&mut pb::UpdateUserSettingsRequest)) -> pb::UpdateUserSettingsRequest {
    let mut request = pb::UpdateUserSettingsRequest::default();
    change(&mut request);
    request
}

#[tokio::test]
async fn who_never_set_any_has_the_defaults() {
    let world = World::start().await;
    for person in [world.person("alice").await, world.account("bob")] {
        let defaults = settings(&person).await.unwrap();
        assert_eq!(
            (defaults.email_notifications, defaults.push_notifications, defaults.marketing_emails),
            (true, true, false)
        );
        assert_eq!((defaults.timezone.as_str(), defaults.language.as_str(), defaults.dark_mode), ("UTC", "en", false));
        assert_eq!(
            (defaults.privacy_level(), defaults.allow_messages()),
            (PrivacyLevel::Public, AllowMessages::Everyone)
        );
        assert_eq!((defaults.version, defaults.created_at == defaults.updated_at), (1, true));
        assert_eq!(defaults.user_id, person.id.to_string());
    }
}

#[tokio::test]
async fn an_update_changes_what_is_set_and_nothing_else() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let first = set(|r| {
        r.email_notifications = Some(false);
        r.timezone = Some("Europe/Vienna".to_owned());
        r.language = Some("de-at".to_owned());
        r.privacy_level = Some(PrivacyLevel::Followers.into());
        r.expected_version = 1;
    });
    let first = alice.settings(first).await.unwrap();
    assert_eq!((first.email_notifications, first.push_notifications, first.version), (false, true, 2));
    assert_eq!((first.timezone.as_str(), first.language.as_str()), ("Europe/Vienna", "de-AT"));

    let second =
        alice.settings(set(|r| (r.dark_mode, r.push_notifications) = (Some(true), Some(false)))).await.unwrap();
    assert_eq!(
        (second.dark_mode, second.push_notifications, second.email_notifications, second.version),
        (true, false, false, 3)
    );
    assert_eq!((second.privacy_level(), &second.created_at), (PrivacyLevel::Followers, &first.created_at));
    assert_eq!(alice.settings(set(|_| {})).await.unwrap(), second, "nothing set, nothing changed");
    assert_eq!(settings(&alice).await.unwrap(), second);
}

#[tokio::test]
async fn an_update_for_another_version_changes_nothing() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let at = |version| set(move |r| (r.dark_mode, r.expected_version) = (Some(true), version));
    for (expected, current) in [(2, "1"), (7, "1")] {
        let status = alice.settings(at(expected)).await.unwrap_err();
        assert_reason(&status, Code::Aborted, "VERSION_CONFLICT");
        assert_eq!(status.reason_metadata("current_version").as_deref(), Some(current));
    }
    assert_eq!(alice.settings(at(1)).await.unwrap().version, 2);
    let status = alice.settings(at(1)).await.unwrap_err();
    assert_eq!(status.reason_metadata("current_version").as_deref(), Some("2"));
    assert_eq!(alice.settings(at(2)).await.unwrap().version, 3);
    assert_eq!(alice.settings(at(0)).await.unwrap().version, 4);
    assert_reason(
        &alice.settings(set(|r| r.expected_version = 1)).await.unwrap_err(),
        Code::Aborted,
        "VERSION_CONFLICT",
    );
}

#[tokio::test]
async fn every_setting_out_of_bounds_is_named_at_once() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    let bad = set(|r| {
        r.timezone = Some("Mars/Base".to_owned());
        r.language = Some("no language".to_owned());
        r.privacy_level = Some(0);
        r.allow_messages = Some(99);
        r.expected_version = -1;
    });
    let status = alice.settings(bad).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "INVALID_ARGUMENT");
    assert_eq!(
        status.violated_fields(),
        ["timezone", "language", "privacy_level", "allow_messages", "expected_version"]
    );
    assert_eq!(settings(&alice).await.unwrap().version, 1);
}

#[tokio::test]
async fn messaging_is_told_of_a_new_allow_messages() {
    let world = World::start().await;
    let alice = world.person("alice").await;
    alice.settings(set(|r| r.dark_mode = Some(true))).await.unwrap();
    assert_eq!(world.peers.take_invalidated(), []);
    alice.settings(set(|r| r.allow_messages = Some(AllowMessages::Nobody.into()))).await.unwrap();
    assert_eq!(world.peers.take_invalidated(), [(alice.id.to_string(), String::new())]);
}
