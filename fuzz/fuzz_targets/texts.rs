//! What people write and what names things: reading what was read changes nothing, and nothing that is read holds a character
//! that PostgreSQL can't store or a control character where one line is meant.

#![no_main]

use auth_service::model::{Email, LoginName, NewPassword, OpaqueToken, RefreshToken, Role, Username, text};
use ids::{ConversationId, UserId};
use libfuzzer_sys::fuzz_target;
use messaging_service::model::{ClientId, Content, Encrypted, GroupName, Limits};
use user_service::model as user;

const LIMITS: Limits =
    Limits { content_bytes: 64, group_members: 10, batch: 10, page_bytes: 1024, read_markers_told_up_to: 10 };

/// Reads `$text` twice, where it can be read.
macro_rules! settled {
    ($text:expr, $parse:expr, $show:expr) => {
        if let Ok(read) = $parse($text.to_owned()) {
            let shown: String = $show(&read).to_owned();
            assert!(!shown.contains('\0'), "{shown:?}");
            let again = $parse(shown.clone()).unwrap_or_else(|_| panic!("{shown:?} was read and is refused"));
            assert_eq!($show(&again), shown.as_str());
        }
    };
}

fuzz_target!(|text: &str| {
    settled!(text, |t: String| Username::parse(&t), Username::as_str);
    settled!(text, |t: String| LoginName::parse(&t), LoginName::as_str);
    settled!(text, |t: String| Email::parse(&t), Email::as_str);
    settled!(text, |t: String| GroupName::parse(&t), GroupName::as_str);
    settled!(text, ClientId::parse, ClientId::as_str);
    settled!(text, user::Username::parse, user::Username::as_str);
    settled!(text, user::DisplayName::parse, user::DisplayName::as_str);
    settled!(text, user::Bio::parse, user::Bio::as_str);
    settled!(text, user::Location::parse, user::Location::as_str);
    settled!(text, user::Url::parse, user::Url::as_str);
    settled!(text, |t: String| user::TimeZone::parse(&t), |zone: &user::TimeZone| zone.as_str());
    settled!(text, |t: String| user::LanguageTag::parse(&t), user::LanguageTag::as_str);
    if let Ok(email) = Email::parse(text) {
        assert!(email.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(Email::parse(&email.folded()).expect("it is still one").folded(), email.folded());
    }
    if let Ok(line) = text::one_line(text, 1, 64) {
        assert_eq!(text::one_line(&line, 1, 64).as_deref(), Ok(line.as_str()));
        assert!(!line.contains(char::is_control) && line.chars().count() <= 64);
    }
    if let Ok(token) = OpaqueToken::parse(text) {
        assert_eq!(token.reveal(), text);
    }
    if let Ok(token) = RefreshToken::parse(text) {
        assert_eq!(token.reveal(), text);
    }
    if let Ok(id) = UserId::parse(text) {
        assert_eq!(UserId::parse(&id.to_string()).expect("an id"), id);
    }
    let _ = (NewPassword::parse(text.to_owned()), Role::parse(text), ConversationId::parse(text));
    let encrypted = text.split_once('\n').map(|(a, b)| Encrypted { ciphertext: a.into(), nonce: b.into(), version: 1 });
    if let Ok(content) = Content::parse(Some(text.to_owned()).filter(|_| encrypted.is_none()), encrypted, &LIMITS) {
        assert!((1..=64 + 32).contains(&content.bytes()));
        assert!(!matches!(content, Content::Text(text) if text.contains('\0')));
    }
});
