//! One stream: what lies behind its cursor it reads from the log, what happens from then on the hub hands to it.

use std::sync::Arc;
use std::time::Duration;

use ids::{ConversationId, UserId};
use pg::Pool;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use traces::{Kind, Span, TraceContext, Tracer};

use super::super::vault::Vault;
use super::contents::fill;
use super::hub::{Delivery, Hub, Reached, Seat};
use super::{Error, Told, take_seat};
use crate::model::{Cursor, Event};
use crate::storage::event_log::{self, OwnPiece, Stretch};

/// Events that are read at once: as many messages of the largest size must fit into memory for each who reads.
const STRETCH: i64 = 50;

/// What streams share.
pub struct Streams {
    pub hub: Arc<Hub>,
    pub pg: Pool,
    pub vault: Arc<Vault>,
    /// How many read from the log at once; the others wait, so that they do not take all connections.
    pub readers: Semaphore,
    pub terms: Terms,
    pub tracer: Tracer,
}

/// What bounds streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A stream on which nothing happens tells that it is alive this often.
    pub heartbeat: Duration,
    /// Who takes nothing for so long is cut off.
    pub slow_reader: Duration,
    /// Streams that one person may have open.
    pub max_per_user: usize,
    /// How often the log is looked at when nobody tells that there is something new.
    pub poll: Duration,
}

/// See the module.
pub struct Reader {
    streams: Arc<Streams>,
    user: UserId,
    only: Option<Arc<[ConversationId]>>,
    /// Everything up to here has been told.
    at: Cursor,
    seat: Seat,
    /// Up to where the log had been handed out when the seat was taken.
    reached: Reached,
    out: mpsc::Sender<Result<Told, Box<Error>>>,
    /// The call that the stream is the answer to, if that is recorded.
    call: Option<TraceContext>,
    /// A place in the outlet that is kept for why the stream ends.
    last_word: mpsc::OwnedPermit<Result<Told, Box<Error>>>,
}

/// Why a stream ends.
enum End {
    /// Nobody listens any more.
    Left,
    /// What the listener is told.
    Told(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl Reader {
    /// Takes a seat, and checks that the log still holds all that comes after the cursor.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open(
        streams: Arc<Streams>,
        user: UserId,
        cursor: Option<Cursor>,
        only: Option<Arc<[ConversationId]>>,
        out: mpsc::Sender<Result<Told, Box<Error>>>,
    ) -> Result<Self, Error> {
        let last_word = out.clone().reserve_owned().await.map_err(|_| Error::Stopping)?;
        let (seat, reached) = take_seat(&streams, user, only.clone()).await?;
        let at = cursor.unwrap_or(Cursor { log: reached.log, at: reached.at });
        let call = traces::current().span.map(|span| span.context());
        let reader = Self { streams, user, only, at, seat, reached, out, call, last_word };
        if cursor.is_some() {
            reader.read(0).await?;
        }
        Ok(reader)
    }

    /// Tells what has happened and what happens, until nobody listens any more or the stream can't go on.
    pub async fn run(mut self) {
        let Err(end) = self.tell_all().await;
        if let End::Told(error) = end {
            if matches!(error, Error::SlowReader(_)) {
                self.streams.hub.cut_off();
            }
            self.last_word.send(Err(Box::new(error))); // a slow reader finds it when it reads on
        }
    }

    async fn tell_all(&mut self) -> Result<std::convert::Infallible, End> {
        self.tell(Told::Heartbeat(Box::new(self.at))).await?;
        loop {
            // Apart, so that a stream that only listens is small.
            Box::pin(self.catch_up()).await?;
            self.listen().await?;
            // The queue was full: read on until the hub can be followed again.
            Box::pin(self.sit_down()).await?;
        }
    }

    async fn sit_down(&mut self) -> Result<(), End> {
        let (seat, reached) = take_seat(&self.streams, self.user, self.only.clone()).await?;
        (self.seat, self.reached) = (seat, reached);
        Ok(())
    }

    /// Tells what lies between the cursor and what the hub hands out.
    async fn catch_up(&mut self) -> Result<(), End> {
        while self.at.at < self.reached.at {
            let OwnPiece { events, log, .. } = self.read(STRETCH).await?;
            let is_last = (events.len() as i64) < STRETCH;
            let last = events.last().map(|event| event.at);
            let logged: Vec<_> = events.iter().collect();
            let Streams { pg, vault, .. } = &*self.streams;
            let filled = fill(pg, vault, log, &logged, Some(self.user)).await.map_err(Error::from)?;
            for event in filled.into_iter().flatten() {
                self.tell_event(Arc::new(event.event)).await?;
            }
            self.at.at = if is_last { self.reached.at } else { last.unwrap_or(self.reached.at) };
        }
        Ok(())
    }

    /// One's own events after the cursor, up to what the hub hands out.
    async fn read(&self, limit: i64) -> Result<OwnPiece, Error> {
        let _turn = self.streams.readers.acquire().await.map_err(|_| Error::Stopping)?;
        let mut conn = self.streams.pg.conn().await?;
        let until = self.reached.at.max(self.at.at);
        let stretch = Stretch { user: self.user, after: self.at.at, until, only: self.only.as_deref(), limit };
        let piece = event_log::read_own(&mut conn, stretch).await?;
        // A cursor of another log, or one from the future of a database that was set back, is as good as none.
        let is_kept = self.at.log == piece.log && self.at.at.order > piece.expired && self.at.at.order < piece.future;
        if is_kept { Ok(piece) } else { Err(Error::CursorExpired) }
    }

    /// Tells what the hub hands out, until the queue ends.
    async fn listen(&mut self) -> Result<(), End> {
        let mut next_heartbeat = Instant::now() + self.streams.terms.heartbeat;
        loop {
            let delivery = tokio::select! {
                biased;
                delivery = self.seat.queue.recv() => delivery,
                () = self.out.closed() => return Err(End::Left),
                () = sleep_until(next_heartbeat) => {
                    self.heartbeat().await?;
                    next_heartbeat = Instant::now() + self.streams.terms.heartbeat;
                    continue;
                }
            };
            match delivery {
                None => return Ok(()),
                // Another replica was ahead of this one.
                Some(Delivery::Event(event)) if event.cursor.at <= self.at.at => continue,
                Some(Delivery::Event(event)) => self.tell_event(event).await?,
                Some(Delivery::Typing(typing)) => self.tell(Told::Typing(typing)).await?,
            }
            next_heartbeat = Instant::now() + self.streams.terms.heartbeat;
        }
    }

    /// Moves the cursor of a stream on which nothing happens, so that it does not grow old.
    async fn heartbeat(&mut self) -> Result<(), End> {
        // What was handed out up to here is in the queue; so nothing is behind it if that is empty afterwards.
        let reached = self.streams.hub.reached();
        if self.seat.queue.is_empty()
            && let Some(reached) = reached
        {
            self.at.at = self.at.at.max(reached.at);
        }
        self.tell(Told::Heartbeat(Box::new(self.at))).await
    }

    async fn tell_event(&mut self, event: Arc<Event>) -> Result<(), End> {
        let cursor = event.cursor;
        let delivery = self.delivery(&event);
        self.tell(Told::Event(event)).await?;
        drop(delivery);
        self.at = cursor;
        Ok(())
    }

    /// What the change's trace says of its delivery here, from now until the stream's connection has taken it.
    fn delivery(&self, event: &Event) -> Option<Span> {
        let change = event.trace.as_ref()?.next();
        let span = self.streams.tracer.follow(
            change,
            || "deliver event".to_owned(),
            Kind::Internal,
            std::time::Instant::now(),
        )?;
        if let Some(call) = self.call {
            span.link(call);
        }
        span.set("rpc.method", "nova.messaging.v1.MessagingService/StreamEvents");
        Some(span)
    }

    async fn tell(&self, told: Told) -> Result<(), End> {
        match timeout(self.streams.terms.slow_reader, self.out.send(Ok(told))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Told(Error::SlowReader(self.at))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_only_listens_is_small() {
        fn of<F>(_: impl Fn(Reader) -> F) -> usize {
            size_of::<F>()
        }
        assert!(of(Reader::run) <= 2048, "{} bytes", of(Reader::run));
        assert!(size_of::<Result<Told, Box<Error>>>() <= 16 && size_of::<Delivery>() <= 16);
    }
}
