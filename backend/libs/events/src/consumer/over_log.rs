//! A consumer that reads the log. All processes of one name take turns; how far they have come is committed with the effect.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::lane::{Failure, Lane};
use super::{Consumer, Handler, HandlerError, inbox};
use crate::log::Log;
use crate::{Event, Topic, locks};

/// What one step came to.
enum Step {
    /// Some events are done.
    Done,
    /// There is nothing new, or another process is about it.
    Nothing,
}

/// A step that failed.
struct Fault {
    failure: Failure,
    /// What was tried.
    events: Vec<Event>,
}

impl From<pg::Error> for Fault {
    fn from(error: pg::Error) -> Self {
        Self { failure: Failure { at: 0, error: HandlerError::transient(error) }, events: vec![] }
    }
}

impl<H: Handler> Consumer<H> {
    /// Acts on a topic's events for ever.
    pub(super) async fn follow_log(&self, log: &Log, topic: Topic) {
        let mut news = log.news();
        let mut lane = Lane::new(self.options);
        let mut is_away = false;
        loop {
            news.mark_unchanged(); // before the look, so that nothing falls between the two
            match self.step(log, topic, &lane).await {
                Ok(Step::Done) => {
                    lane.succeeded();
                    is_away = false;
                }
                Ok(Step::Nothing) => {
                    is_away = false;
                    // News, or a look without any.
                    let _ = timeout(self.options.look_every, news.changed()).await;
                }
                Err(Fault { failure, events }) => {
                    if events.is_empty() {
                        self.away(&mut is_away, topic.name(), &failure.error);
                    }
                    let pause = lane.failed(&events, &failure);
                    if pause > Duration::ZERO {
                        sleep(pause).await;
                    }
                }
            }
        }
    }

    async fn step(&self, log: &Log, topic: Topic, lane: &Lane) -> Result<Step, Fault> {
        let mut tx = self.pool.begin().await?;
        if !locks::try_exclusive(&mut tx, self.turn(topic)).await? {
            return Ok(Step::Nothing);
        }
        let place = inbox::offset(&mut tx, self.name, topic).await?;
        let piece = log.read(topic, place, i64::try_from(lane.limit()).unwrap_or(i64::MAX)).await?;
        self.note_lag(piece.events.first().map(|(_, event)| event.time), topic);
        let Some(&(last, _)) = piece.events.last() else { return Ok(Step::Nothing) };
        if place < piece.expired && place > 0 {
            metrics::counter!("nova_consumer_missed_total", "consumer" => self.name, "topic" => topic.name())
                .increment(1);
            tracing::error!("{} was away for longer than {topic} keeps events: some were missed", self.name);
        }
        let events: Vec<Event> = piece.events.into_iter().map(|(_, event)| event).collect();
        match self.apply(&mut tx, &events, lane).await {
            Ok(()) => {}
            Err(failure) => return Err(Fault { failure, events }),
        }
        inbox::set_offset(&mut tx, self.name, topic, last).await?;
        tx.commit().await?;
        Ok(Step::Done)
    }
}
