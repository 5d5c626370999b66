//! What the service is about, without a database and without a wire: values that are in bounds, and rules.

mod contact;
mod hiders;
mod language;
mod profile;
mod relationship;
mod search;
mod settings;
mod text;

pub use contact::{ContactFacts, Verdict};
pub use hiders::Hiders;
pub use language::LanguageTag;
pub use profile::{Account, Profile, ProfileUpdate};
pub use relationship::{Follow, FollowStatus, Kind, Pair, Standing, View, Yourself};
pub use search::Query;
pub use settings::{AllowMessages, PrivacyLevel, Settings, SettingsUpdate, TimeZone};
pub use text::{Bio, DisplayName, Location, TextFault, Url, Username};
