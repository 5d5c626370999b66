//! Listing and ending sessions.

use authn::{Caller, Denied};
use errors::{Class, Classify};
use ids::{SessionId, UserId};
use pg::page::{Binding, Page, PageError};
use protos::auth::v1::ErrorReason as Reason;
use tracing::instrument;
use uuid::Uuid;

use super::App;
use crate::model::Session;
use crate::model::audit::{Event, Kind};
use crate::storage::{sessions, users};

/// Why a call about sessions is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None that the caller may know of.
    #[error("session {0} not found")]
    NotFound(SessionId),
    /// Not the caller's.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The page can't be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(id) => Class::not_found("session", id, Reason::SessionNotFound),
            Self::Denied(error) => error.class(),
            Self::Page(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}

impl App {
    /// Ends the session that a token belongs to. A token of a session that has ended is accepted: a repeat after a lost
    /// reply has the same outcome.
    #[instrument(skip_all)]
    pub async fn logout(&self, token: Option<&str>) -> Result<(), Error> {
        let caller = match self.verifier.verify(token.ok_or(Denied::TokenMissing)?).await {
            Err(Denied::TokenRevoked) => return Ok(()),
            checked => checked?,
        };
        let session = caller.session_id().ok_or(Denied::NotYours)?;
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        if sessions::revoke_session(&mut tx, session, now).await? {
            let event = Event::by(&caller, Kind::Logout);
            let told = caller.user_id().map(|user| self.ended(user, &[session], now)).unwrap_or_default();
            self.commit_and_tell(tx, [Event { subject: caller.user_id(), ..event }], told).await?;
        }
        self.revoked([session], now);
        tracing::info!(session.id = %session, "session {session} logged out");
        Ok(())
    }

    /// Live sessions of a person, newest first, and the token of the next page.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn list_sessions(
        &self,
        caller: &Caller,
        user: UserId,
        limit: i32,
        page_token: &str,
    ) -> Result<(Vec<Session>, String), Error> {
        caller.must_be(user)?;
        let binding = Binding::new("ListSessions").arg(user);
        let page: Page<Uuid> = Page::parse(self.config.paging.limits(), limit, 0, page_token, binding)?;
        let before = page.after().copied().map(SessionId::from);
        let mut conn = self.pg.conn().await?;
        let rows = sessions::list_live(&mut conn, user, before, page.fetch(), self.clock.now()).await?;
        drop(conn);
        self.record_read(caller, "ListSessions", &[user]).await?;
        Ok(page.finish(rows, |session| session.id.uuid()))
    }

    /// Ends one session.
    #[instrument(skip_all, fields(session.id = %session))]
    pub async fn revoke_session(&self, caller: &Caller, session: SessionId) -> Result<(), Error> {
        let mut tx = self.pg.begin().await?;
        let owner = sessions::find_owner(&mut tx, session).await?.ok_or(Error::NotFound(session))?;
        // That there is such a session is nobody else's business.
        caller.must_be(owner).map_err(|_| Error::NotFound(session))?;
        let now = self.clock.now();
        if sessions::revoke_session(&mut tx, session, now).await? {
            let event = Event::by(caller, Kind::SessionRevocation).on(owner).in_session(session);
            self.commit_and_tell(tx, [event], self.ended(owner, &[session], now)).await?;
        }
        self.revoked([session], now);
        tracing::info!(user.id = %owner, session.id = %session, "session {session} revoked");
        Ok(())
    }

    /// Ends all sessions of a person, or all but the caller's. Returns how many were alive.
    #[instrument(skip_all, fields(user.id = %user))]
    pub async fn revoke_all_sessions(&self, caller: &Caller, user: UserId, keep_current: bool) -> Result<usize, Error> {
        caller.must_be(user)?;
        let kept = caller.session_id().filter(|_| keep_current);
        let now = self.clock.now();
        let mut tx = self.pg.begin().await?;
        if users::lock_for_change(&mut tx, user).await?.is_none() {
            return Ok(0);
        }
        let ended = sessions::revoke_sessions(&mut tx, user, kept, now).await?;
        let event = Event::by(caller, Kind::AllSessionsRevocation).on(user).with("sessions_ended", ended.len());
        self.commit_and_tell(tx, [event], self.ended(user, &ended, now)).await?;
        let count = ended.len();
        self.revoked(ended, now);
        tracing::info!(user.id = %user, count, "{count} sessions of user {user} revoked");
        Ok(count)
    }
}
