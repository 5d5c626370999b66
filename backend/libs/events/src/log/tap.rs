//! A reader of the log for one process.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Log;
use crate::backoff::Backoff;
use crate::{Event, Topic};

const BATCH: i64 = 500;
/// How often it looks without being told to.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// See [`Bus::tap`](crate::Bus::tap).
pub struct LogTap {
    log: Log,
    news: watch::Receiver<()>,
    /// The topics, and up to where they were read.
    places: Vec<(Topic, i64)>,
    waiting: VecDeque<Event>,
    backoff: Backoff,
}

impl Log {
    pub(crate) async fn tap(&self, topics: &[Topic]) -> Result<LogTap, pg::Error> {
        let mut places = vec![];
        for &topic in topics {
            places.push((topic, self.end(topic).await?));
        }
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Ok(LogTap { log: self.clone(), news: self.news(), places, waiting: VecDeque::new(), backoff })
    }
}

impl LogTap {
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return event;
            }
            self.news.mark_unchanged(); // before the look, so that nothing falls between the two
            match self.look().await {
                Ok(()) if self.waiting.is_empty() => {
                    // It ends early with the log, which this holds; or late, which is a look.
                    let _ = timeout(LOOK_EVERY, self.news.changed()).await;
                }
                Ok(()) => self.backoff.reset(),
                Err(error) => {
                    tracing::debug!("the event log can't be read: {error}");
                    sleep(self.backoff.pause()).await;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), pg::Error> {
        for (topic, place) in &mut self.places {
            let piece = self.log.read(*topic, *place, BATCH).await?;
            for (position, event) in piece.events {
                *place = position;
                self.waiting.push_back(event);
            }
        }
        Ok(())
    }
}
