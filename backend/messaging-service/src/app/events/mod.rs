//! StreamEvents, SendTyping and what administrators see of them.
//!
//! The log in the database is the truth. One [`follower`] reads it for the process and hands out what is new; a [`reader`] for
//! each stream reads what lies behind its cursor. Docs: docs/adr/0011.

mod audience;
mod contents;
mod expiry;
mod follower;
mod hub;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use authn::{Caller, Denied};
use broadcast::{Broadcast, Heard};
use chrono::{DateTime, Utc};
use errors::{Class, Classify};
use ids::{ConversationId, UserId};
use pg::Pool;
use protos::messaging::v1::ErrorReason as Reason;
use tokio::sync::{Semaphore, mpsc};
use traces::Tracer;
use tracing::instrument;
use uuid::Uuid;

use super::contacts::Refusal;
use super::vault::Vault;
use super::{App, vault};
use crate::metrics::Metrics;
use crate::model::{Cursor, Event};
use crate::storage::conversations::Facts;
use crate::storage::members::{self, Standing};

pub use expiry::Expiry;
pub use follower::Follower;
pub use hub::Typing;
use hub::{Hub, TooMany};
pub use reader::Terms;
use reader::{Reader, Streams};

/// Typing is passed on this often at most.
const TYPING_EVERY: Duration = Duration::from_secs(1);
const REMEMBERED_TYPING: u64 = 100_000;
/// Events that wait for a stream's connection to take them.
const OUT_QUEUE: usize = 16;
/// Whoever has too many streams, or reads too slowly, waits so long.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// Streams that read from the log at once.
const READERS: usize = 4;
const ID_BYTES: usize = 16;

/// Asks for a stream.
#[derive(Clone, Debug)]
pub struct StreamEvents {
    /// The last event that the client has; nothing: from now on.
    pub cursor: Option<Cursor>,
    /// Only these conversations; none: all.
    pub only: Vec<ConversationId>,
}

/// What a stream tells. Small, for each of ten thousand streams has room for some.
#[derive(Clone, Debug)]
pub enum Told {
    /// The stream is alive, and everything up to the cursor has been told.
    Heartbeat(Box<Cursor>),
    /// Something has happened.
    Event(Arc<Event>),
    /// Somebody is writing.
    Typing(Arc<Typing>),
}

/// What a stream's connection takes from.
pub type Outlet = mpsc::Receiver<Result<Told, Box<Error>>>;

/// Why there is no stream, or why it ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What comes after the cursor is not kept any more.
    #[error("events after the cursor are no longer kept: read the conversations anew and stream without a cursor")]
    CursorExpired,
    /// No such conversation, or the caller is no member.
    #[error("conversation {0} not found")]
    ConversationNotFound(ConversationId),
    /// The caller has as many streams as they may have.
    #[error("a user has at most {0} streams open")]
    TooManyStreams(usize),
    /// Nothing was taken for too long.
    #[error("nothing was read for too long: go on from the cursor")]
    SlowReader(Cursor),
    /// The process is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// The recipient can't be written to.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Contents can't be sealed or opened.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The database.
    #[error(transparent)]
    Pg(#[from] pg::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::CursorExpired => Class::out_of_range("cursor", self.to_string(), Reason::CursorExpired),
            Self::ConversationNotFound(id) => Class::not_found("conversation", id, Reason::ConversationNotFound),
            Self::TooManyStreams(max) => {
                Class::limited(Reason::TooManyStreams, COME_BACK_AFTER).meta("max_streams", max)
            }
            Self::SlowReader(cursor) => {
                Class::limited(Reason::SlowReader, COME_BACK_AFTER).meta("cursor", cursor.encode())
            }
            Self::Stopping => Class::unavailable(),
            Self::Refused(refusal) => refusal.class(),
            Self::Denied(denied) => denied.class(),
            Self::Vault(error) => error.class(),
            Self::Pg(error) => error.class(),
        }
    }
}
errors::into_status!(Error, crate::DOMAIN);

/// How the streams of this replica are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStats {
    /// Streams open.
    pub open: usize,
    /// People who listen.
    pub users: usize,
    /// Events handed out since the start.
    pub delivered: u64,
    /// Streams cut off since the start.
    pub slow_readers: u64,
    /// How long the log has held what can't be handed out yet.
    pub lag_ms: i64,
    /// When this replica started.
    pub started_at: DateTime<Utc>,
    /// Whether other replicas are told at once.
    pub redis_connected: bool,
}

/// What calls need of the streams.
pub struct Events {
    streams: Arc<Streams>,
    broadcast: Broadcast,
    recent_typing: moka::sync::Cache<Typing, ()>,
    started_at: DateTime<Utc>,
}

impl Events {
    /// The streams, and the follower that has to be run for them.
    pub fn new(
        pg: &Pool,
        vault: &Arc<Vault>,
        terms: Terms,
        (broadcast, tracer): (Broadcast, Tracer),
        started_at: DateTime<Utc>,
        metrics: &Arc<Metrics>,
    ) -> (Self, Follower) {
        let (hub, typing) = Hub::new(Arc::clone(metrics));
        let follower =
            Follower::new(Arc::clone(&hub), pg.clone(), Arc::clone(vault), typing, terms.poll).traced(tracer.clone());
        let streams = Arc::new(Streams {
            hub,
            pg: pg.clone(),
            vault: Arc::clone(vault),
            readers: Semaphore::new(READERS),
            terms,
            tracer,
        });
        let recent_typing =
            moka::sync::Cache::builder().max_capacity(REMEMBERED_TYPING).time_to_live(TYPING_EVERY).build();
        (Self { streams, broadcast, recent_typing, started_at }, follower)
    }

    /// Something was committed: everybody may look.
    pub fn wake(&self) {
        self.streams.hub.wake();
        self.broadcast.signal();
    }

    /// What to do with what other replicas say.
    pub fn hearing(&self) -> impl Fn(Heard) + Send + 'static {
        let hub = Arc::clone(&self.streams.hub);
        move |heard| match heard {
            Heard::Signal => hub.wake(),
            Heard::Notice(notice) => {
                if let Some(typing) = typing_from(&notice) {
                    hub.typing(typing);
                }
            }
        }
    }

    /// Writes gauges into the metrics.
    pub fn record_metrics(&self, metrics: &Metrics) {
        let hub = &self.streams.hub;
        metrics.streams(hub.streams(), hub.users(), hub.lag_ms());
    }
}

fn typing_from(notice: &[u8]) -> Option<Typing> {
    let (conversation, user) = notice.split_at_checked(ID_BYTES)?;
    Some(Typing {
        conversation: Uuid::from_slice(conversation).ok()?.into(),
        user: Uuid::from_slice(user).ok()?.into(),
    })
}

fn notice_of(typing: Typing) -> Vec<u8> {
    [typing.conversation.uuid().as_bytes().as_slice(), typing.user.uuid().as_bytes()].concat()
}

impl App {
    /// Opens a stream of what happens in the caller's conversations.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all)]
    pub async fn stream_events(&self, caller: &Caller, ask: StreamEvents) -> Result<Outlet, Error> {
        let user = caller.person()?;
        let only = if ask.only.is_empty() { None } else { Some(self.own(user, ask.only).await?) };
        let (out, outlet) = mpsc::channel(OUT_QUEUE + 1);
        let reader = Reader::open(Arc::clone(&self.events.streams), user, ask.cursor, only, out).await?;
        tokio::spawn(reader.run());
        Ok(outlet)
    }

    /// Conversations, if the user is a member of each.
    async fn own(&self, user: UserId, ids: Vec<ConversationId>) -> Result<Arc<[ConversationId]>, Error> {
        let mut conn = self.pg.conn().await?;
        let present = members::present_in(&mut conn, user, &ids).await?;
        match ids.iter().find(|id| !present.contains(id)) {
            Some(missing) => Err(Error::ConversationNotFound(*missing)),
            None => Ok(ids.into()),
        }
    }

    /// Shows the other members who listen that the caller is writing.
    ///
    /// # Errors
    /// [`Error`].
    #[instrument(skip_all, fields(conversation.id = %conversation))]
    pub async fn send_typing(&self, caller: &Caller, conversation: ConversationId) -> Result<(), Error> {
        let not_found = || Error::ConversationNotFound(conversation);
        let user = caller.user_id().ok_or_else(not_found)?;
        let typing = Typing { conversation, user };
        if self.events.recent_typing.contains_key(&typing) {
            return Ok(());
        }
        let facts = self.facts_of(conversation).await?.ok_or_else(not_found)?;
        let mut conn = self.pg.conn().await?;
        let standing = members::standing_of(&mut conn, conversation, user).await?;
        drop(conn);
        let Some(Standing::Present(_)) = standing else { return Err(not_found()) };
        if let Facts::Direct(pair) = facts {
            self.contacts.pass(user, pair.other(user).ok_or_else(not_found)?).await?;
        }
        self.events.recent_typing.insert(typing, ());
        self.events.streams.hub.typing(typing);
        self.events.broadcast.notify(notice_of(typing));
        Ok(())
    }

    /// Tells an administrator how the streams of this replica are doing.
    ///
    /// # Errors
    /// [`Error::Denied`] for anybody else.
    pub fn stream_stats(&self, caller: &Caller) -> Result<StreamStats, Error> {
        caller.must_be_admin()?;
        let hub = &self.events.streams.hub;
        Ok(StreamStats {
            open: hub.streams(),
            users: hub.users(),
            delivered: hub.delivered(),
            slow_readers: hub.slow_readers(),
            lag_ms: hub.lag_ms(),
            started_at: self.events.started_at,
            redis_connected: self.events.broadcast.is_connected(),
        })
    }
}

/// Takes a place among those who listen, and learns up to where the log has been handed out.
async fn take_seat(
    streams: &Streams,
    user: UserId,
    only: Option<Arc<[ConversationId]>>,
) -> Result<(hub::Seat, hub::Reached), Error> {
    let max = streams.terms.max_per_user;
    let (seat, admitted) = streams.hub.join(user, only, max).map_err(|TooMany| Error::TooManyStreams(max))?;
    let reached = admitted.await.map_err(|_| Error::Stopping)?;
    Ok((seat, reached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_survives_the_way_to_another_replica() {
        let typing = Typing { conversation: Uuid::from_u128(7).into(), user: Uuid::from_u128(u128::MAX).into() };
        let notice = notice_of(typing);
        assert_eq!(typing_from(&notice), Some(typing));
        for bad in [&notice[..31], &[notice.clone(), vec![0]].concat(), &[]] {
            assert_eq!(typing_from(bad), None);
        }
    }
}
