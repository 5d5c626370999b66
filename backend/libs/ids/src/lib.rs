//! Typed identifiers: UUIDv7 (RFC 9562), one type for each kind of thing, so that a user's id can't be passed for a message's.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

/// The text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier. The time goes into its upper bits, so ids sort by the time they were made.
            pub fn generate(now: DateTime<Utc>) -> Self {
                let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// Reads the hyphenated form, in either case.
            ///
            /// # Errors
            /// [`ParseIdError`] for anything else, the nil UUID among it.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                if text.len() != 36 {
                    return Err(ParseIdError);
                }
                match Uuid::try_parse(text) {
                    Ok(uuid) if !uuid.is_nil() => Ok(Self(uuid)),
                    _ => Err(ParseIdError),
                }
            }

            /// The bare UUID, as SQL takes it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A person's account, its profile and its membership in conversations.
    UserId
}
id! {
    /// A log-in on one device; access and refresh tokens belong to one.
    SessionId
}
id! {
    /// A direct or group conversation.
    ConversationId
}
id! {
    /// An address that events are sent to.
    WebhookId
}
id! {
    /// An event on its way to a webhook.
    DeliveryId
}
id! {
    /// A message in a conversation.
    MessageId
}
id! {
    /// An event on the bus, however often it is delivered.
    EventId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let at = |s| DateTime::from_timestamp(s, 0).expect("valid");
        let (early, late) = (UserId::generate(at(1_000)), UserId::generate(at(1_001)));
        assert!(early < late);
        assert_eq!(early.uuid().get_version_num(), 7);
    }

    #[test]
    fn only_the_hyphenated_form_is_read() {
        let id = "0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a";
        assert_eq!(MessageId::parse(id).expect("valid").to_string(), id);
        assert_eq!(MessageId::parse(&id.to_uppercase()).expect("valid").to_string(), id);
        for bad in [
            "",
            "x",
            "0190b5a45c1e7c3a9f002b6f5e1d4c3a",
            "{0190b5a4-5c1e-7c3a-9f00-2b6f5e1d4c3a}",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(MessageId::parse(bad), Err(ParseIdError), "{bad}");
        }
    }
}
