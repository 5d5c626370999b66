//! Follows the log for all streams of the process: one reader, however many listen.
//!
//! It looks when it is woken – by a commit in this process, or by another replica over Redis – and otherwise several times a
//! second. Being woken only makes it look: what it hands out is what the log holds. While nobody listens it rests.

use std::sync::Arc;
use std::time::Duration;

use ids::{ConversationId, UserId};
use pg::Pool;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use traces::{Kind, Tracer};

use super::super::vault::{self, Vault};
use super::audience::Audience;
use super::contents::{Filled, fill};
use super::hub::{Delivery, Hub, Reached, Typing};
use crate::model::{LoggedEvent, Position};
use crate::storage::event_log::{self, Piece};

/// Events in one step.
const STEP: i64 = 256;
/// How soon to look again for what is committed but not below the horizon yet; doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(32);
/// After this long the horizon is looked up among the transactions of this database alone.
const STUCK_AFTER: Duration = Duration::from_millis(50);
/// How long to wait after a failure.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);
/// From when it looks until those who listen have been handed what is new.
const FOLLOW: &str = "follow conversation_events";
/// How long one step may take, beyond what the database allows a statement.
const GRACE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Follower {
    hub: Arc<Hub>,
    pg: Pool,
    vault: Arc<Vault>,
    typing: mpsc::Receiver<Typing>,
    poll: Duration,
    audience: Audience,
    tracer: Tracer,
    /// Since when the snapshots' horizon has stood where it does, with something beyond it.
    held: Option<(i64, Instant)>,
}

/// What a step has found.
enum Found {
    /// As much as fits: there may be more.
    Full,
    /// Everything, except what is not below the horizon yet.
    Held,
    /// Everything.
    All,
}

impl Follower {
    /// A follower; `poll` is how often it looks without being woken.
    pub fn new(hub: Arc<Hub>, pg: Pool, vault: Arc<Vault>, typing: mpsc::Receiver<Typing>, poll: Duration) -> Self {
        let (audience, tracer) = (Audience::default(), Tracer::default());
        Self { hub, pg, vault, typing, poll, audience, tracer, held: None }
    }

    /// The same, whose looks at what is recorded are recorded.
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Follows for ever.
    pub async fn run(mut self) {
        loop {
            self.hub.set_lag(0);
            self.audience.forget();
            self.held = None;
            while !self.hub.is_wanted() {
                tokio::select! {
                    () = self.hub.woken() => {}
                    Some(_) = self.typing.recv() => {} // nobody is there to see it
                }
            }
            self.follow().await;
        }
    }

    /// Follows while anybody listens.
    async fn follow(&mut self) {
        let mut reached = None;
        let mut wait = FIRST_WAIT;
        let mut failing = false;
        while self.hub.is_wanted() {
            if let Some(reached) = reached {
                self.hub.admit(reached);
            }
            let patience = self.pg.config().statement_timeout + GRACE;
            let step = pg::request::InRequest::new(self.step(reached));
            let found = match tokio::time::timeout(patience, step).await {
                Ok(Ok((now, found))) => {
                    reached = Some(now);
                    self.hub.set_reached(now);
                    failing = false;
                    found
                }
                failed => {
                    if !std::mem::replace(&mut failing, true) {
                        let error = failed.ok().and_then(Result::err).unwrap_or(pg::Error::StatementTimeout.into());
                        tracing::warn!("events can't be read right now: {error}");
                    }
                    // Whatever of the step was taken in is read again.
                    self.audience.forget();
                    sleep(FAILURE_PAUSE).await;
                    continue;
                }
            };
            match found {
                Found::Full => {}
                Found::Held => {
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Found::All => {
                    wait = FIRST_WAIT;
                    if let Some(reached) = reached {
                        self.hub.admit(reached);
                    }
                    self.rest(reached).await;
                }
            }
        }
    }

    /// Waits for a reason to look; typing passes by meanwhile.
    async fn rest(&mut self, reached: Option<Reached>) {
        let until = Instant::now() + self.poll;
        loop {
            tokio::select! {
                () = self.hub.woken() => return,
                () = tokio::time::sleep_until(until) => return,
                Some(typing) = self.typing.recv() => self.pass_on(typing, reached).await,
            }
        }
    }

    /// Reads and hands out the next piece of the log.
    async fn step(&mut self, reached: Option<Reached>) -> Result<(Reached, Found), vault::Error> {
        let begun = std::time::Instant::now();
        let mut conn = self.pg.conn().await?;
        let stuck = self.held.is_some_and(|(_, since)| since.elapsed() >= STUCK_AFTER);
        let horizon = if stuck { Some(event_log::horizon_here(&mut conn).await?) } else { None };
        let after = reached.map(|reached| reached.at);
        let Piece { log, own_horizon, horizon, newest, events, .. } =
            event_log::read(&mut conn, after, horizon, STEP).await?;
        drop(conn);
        let is_full = events.len() as i64 >= STEP;
        if !events.is_empty() {
            self.hand_out(log, &events, begun).await?;
        }
        let at = match events.last() {
            Some(last) if is_full => last.at,
            // Never back: a horizon that was looked up in another way may have been ahead.
            _ => after.map_or(Position::before(horizon), |after| after.max(Position::before(horizon))),
        };
        let is_held = newest > at.order;
        self.held = match self.held {
            _ if newest < own_horizon => None,
            Some(held) if held.0 == own_horizon => Some(held),
            _ => Some((own_horizon, Instant::now())),
        };
        let lag = self.held.filter(|_| is_held).map_or(Duration::ZERO, |(_, since)| since.elapsed());
        self.hub.set_lag(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
        let found = if is_full {
            Found::Full
        } else if is_held {
            Found::Held
        } else {
            Found::All
        };
        Ok((Reached { log, at }, found))
    }

    async fn hand_out(
        &mut self,
        log: i32,
        events: &[LoggedEvent],
        begun: std::time::Instant,
    ) -> Result<(), vault::Error> {
        self.audience.make_room();
        let first = events.first().map_or(0, |event| event.at.order);
        self.meet(events.iter().map(|event| event.at.conversation), first).await?;
        let told: Vec<(&LoggedEvent, Vec<UserId>)> = events
            .iter()
            .map(|event| (event, self.hub.listening(self.audience.of(event).into_iter())))
            .filter(|(_, users)| !users.is_empty())
            .collect();
        if told.is_empty() {
            return Ok(());
        }
        let wanted: Vec<&LoggedEvent> = told.iter().map(|(event, _)| *event).collect();
        let filled = fill(&self.pg, &self.vault, log, &wanted, None).await?;
        self.check_superseded(&filled).await?;
        for (filled, (logged, users)) in filled.into_iter().zip(told) {
            let Some(Filled { event, superseded }) = filled else {
                tracing::warn!(conversation.id = %logged.at.conversation, "an event points to nothing and is passed over");
                continue;
            };
            let conversation = logged.at.conversation;
            let users = if superseded { self.still_members(conversation, users) } else { users };
            let span = self.tracer.follow(logged.trace, || FOLLOW.to_owned(), Kind::Internal, begun);
            if let Some(span) = &span {
                span.set("nova.conversation.id", conversation.to_string()).set("nova.listeners", users.len());
            }
            self.hub.deliver(conversation, &Delivery::Event(Arc::new(event)), &users);
        }
        Ok(())
    }

    /// Looks up who is told of conversations that nothing is known of.
    async fn meet(&mut self, of: impl Iterator<Item = ConversationId>, order: i64) -> Result<(), pg::Error> {
        let unknown = self.audience.unknown(of);
        if !unknown.is_empty() {
            let mut conn = self.pg.conn().await?;
            let spans = event_log::spans(&mut conn, &unknown, order).await?;
            self.audience.learn(&unknown, spans);
        }
        Ok(())
    }

    /// A message that has changed since its event shows the change already. Nobody may see that who was removed before it; so
    /// who is still a member is looked up after the message was.
    async fn check_superseded(&mut self, filled: &[Option<Filled>]) -> Result<(), pg::Error> {
        let of = |filled: &Filled| filled.event.cursor.at.conversation;
        let mut changed: Vec<_> = filled.iter().flatten().filter(|f| f.superseded).map(of).collect();
        if changed.is_empty() {
            return Ok(());
        }
        changed.sort_unstable();
        changed.dedup();
        let last = filled.iter().flatten().map(|f| f.event.cursor.at.order).max().unwrap_or(0);
        let mut conn = self.pg.conn().await?;
        let spans = event_log::spans(&mut conn, &changed, last).await?;
        self.audience.learn(&changed, spans);
        Ok(())
    }

    fn still_members(&self, conversation: ConversationId, users: Vec<UserId>) -> Vec<UserId> {
        let members: Vec<UserId> = self.audience.members(conversation).collect();
        users.into_iter().filter(|user| members.contains(user)).collect()
    }

    /// Shows who is writing to the others; if the database fails, it is lost.
    async fn pass_on(&mut self, typing: Typing, reached: Option<Reached>) {
        let Some(reached) = reached else { return };
        let patience = self.pg.config().statement_timeout;
        let meeting = pg::request::InRequest::new(self.meet(std::iter::once(typing.conversation), reached.at.order));
        if !matches!(tokio::time::timeout(patience, meeting).await, Ok(Ok(()))) {
            return;
        }
        let others = self.audience.members(typing.conversation).filter(|user| *user != typing.user);
        let users = self.hub.listening(others);
        self.hub.deliver(typing.conversation, &Delivery::Typing(Arc::new(typing)), &users);
    }
}
