//! What the other services are told of accounts, in the transaction of the change (docs/EVENTS.md).
//!
//! Events of an account are written while its row is locked, or before anybody else can see it; those of the signing keys
//! under the lock of the keys. The end of a session is an aggregate of its own: it happens once.

use chrono::{DateTime, Utc};
use clock::rfc3339;
use events::{Event, Payload, outbox};
use ids::{EventId, SessionId, UserId};
use pg::Tx;
use protos::events::v1::{KeysRotated, SessionRevoked, UserDeleted, UserRegistered, UserUpdated};
use sqlx::PgConnection;
use uuid::Uuid;

use super::App;
use crate::model::{audit, role};
use crate::storage::roles;
use crate::storage::users::NewUser;

fn event<P: Payload>(aggregate: Uuid, payload: &P, now: DateTime<Utc>) -> Event {
    let trace = traces::current_context().map(|context| context.to_string());
    Event::new(EventId::generate(now), now, aggregate, payload).traced(trace)
}

/// An account was made.
pub fn registered(new: &NewUser<'_>, now: DateTime<Utc>) -> Event {
    let payload = UserRegistered {
        user_id: new.id.to_string(),
        username: new.username.as_str().to_owned(),
        display_name: new.display_name.map(str::to_owned),
    };
    event(new.id.uuid(), &payload, now)
}

/// Something of an account has changed that others see; it is read as it is now.
///
/// # Errors
/// If the database fails.
pub async fn updated(
    conn: &mut PgConnection,
    user: UserId,
    username: &str,
    now: DateTime<Utc>,
) -> Result<Option<Event>, pg::Error> {
    let Some(granted) = roles::find_granted(conn, user).await? else { return Ok(None) };
    let payload = UserUpdated {
        user_id: user.to_string(),
        username: username.to_owned(),
        roles: role::with_user(granted.roles),
        active: granted.active,
    };
    Ok(Some(event(user.uuid(), &payload, now)))
}

/// An account was deleted.
pub fn deleted(user: UserId, now: DateTime<Utc>) -> Event {
    event(user.uuid(), &UserDeleted { user_id: user.to_string() }, now)
}

/// Tokens are signed with another key.
pub fn keys_rotated(kid: &str, now: DateTime<Utc>) -> Event {
    event(Uuid::nil(), &KeysRotated { key_id: kid.to_owned() }, now)
}

impl App {
    /// A person's sessions have ended before their time.
    pub(super) fn ended(&self, user: UserId, sessions: &[SessionId], now: DateTime<Utc>) -> Vec<Event> {
        let forget_after = rfc3339(self.tokens_dead_at(now));
        let ended = sessions.iter().map(|session| {
            let payload = SessionRevoked {
                user_id: user.to_string(),
                session_id: session.to_string(),
                forget_after: forget_after.clone(),
            };
            event(session.uuid(), &payload, now)
        });
        ended.collect()
    }

    /// Commits a transaction with what the audit log and the other services are told of it.
    pub(super) async fn commit_and_tell(
        &self,
        mut tx: Tx,
        audited: impl IntoIterator<Item = audit::Event>,
        told: impl IntoIterator<Item = Event>,
    ) -> Result<(), pg::Error> {
        let told: Vec<Event> = told.into_iter().collect();
        outbox::append(&mut tx, &told).await?;
        self.commit(tx, audited).await?; // nothing may be locked after its rows
        if !told.is_empty() {
            self.news.wake();
        }
        Ok(())
    }
}
