//! A consumer that is a member of a Kafka group. An offset is committed after the effect; what is delivered again because it was
//! not, the inbox knows.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::lane::{Failure, Lane};
use super::{Consumer, Handler, HandlerError};
use crate::backoff::Backoff;
use crate::kafka::{Error, Group, Kafka, Received};
use crate::{Event, Topic, locks};

type Partition = (Topic, i32);

/// A partition's part of what was received.
#[derive(Default)]
struct Chunk {
    events: Vec<Event>,
    /// Their offsets.
    offsets: Vec<i64>,
    /// The last offset, whether an event of ours is there or not.
    last: i64,
}

impl<H: Handler> Consumer<H> {
    /// Acts on events for ever.
    pub(super) async fn follow_kafka(&self, kafka: &Kafka) {
        let mut backoff = Backoff::new(self.options.first_pause, self.options.longest_pause);
        let mut is_away = false;
        loop {
            let mut has_heard = false;
            let Err(error) = self.be_member(kafka, &mut has_heard).await;
            kafka.left_in_doubt();
            if has_heard {
                backoff.reset();
                is_away = false;
            }
            self.away(&mut is_away, "Kafka", &error);
            sleep(backoff.pause()).await;
        }
    }

    /// Acts on what this member is given, until something is wrong with the membership.
    async fn be_member(&self, kafka: &Kafka, has_heard: &mut bool) -> Result<Infallible, Error> {
        let group = kafka.join(self.name, &Self::topics()).await?;
        let mut lanes: HashMap<Partition, Lane> = HashMap::new();
        let mut held: BTreeMap<Partition, Instant> = BTreeMap::new();
        // The event that holds a partition up, by when it happened.
        let mut stuck: BTreeMap<Partition, DateTime<Utc>> = BTreeMap::new();
        let mut is_away = false;
        loop {
            let now = Instant::now();
            let ripe: Vec<Partition> = held.iter().filter(|(_, until)| **until <= now).map(|(at, _)| *at).collect();
            for at in ripe {
                held.remove(&at);
                group.resume(at.0, at.1)?;
            }
            let wait = held.values().min().map_or(self.options.look_every, |until| *until - now);
            let chunks = self.gather(&group, wait).await?;
            *has_heard |= !chunks.is_empty();
            if chunks.is_empty()
                && let Err(error) = group.look_for_brokers().await
            {
                self.away(&mut is_away, "Kafka", &error);
                continue; // how far behind it is, nobody knows
            }
            is_away = false;
            if !stuck.is_empty() {
                let assigned = group.assigned().await?;
                stuck.retain(|at, _| assigned.contains(at));
            }
            self.note_lags(&stuck, &chunks);
            for (at, chunk) in chunks {
                let lane = lanes.entry(at).or_insert_with(|| Lane::new(self.options));
                let (done, pause) = self.settle(at.0, &chunk, lane).await;
                if pause > Duration::ZERO {
                    stuck.insert(at, chunk.events[done].time);
                    if let Some(before) = done.checked_sub(1) {
                        group.done(at.0, at.1, chunk.offsets[before]);
                    }
                    group.hold(at.0, at.1, chunk.offsets[done]).await?;
                    held.insert(at, Instant::now() + pause);
                } else {
                    stuck.remove(&at);
                    group.done(at.0, at.1, chunk.last);
                }
            }
        }
    }

    /// What is there, or comes within `wait`.
    async fn gather(&self, group: &Group, wait: Duration) -> Result<BTreeMap<Partition, Chunk>, Error> {
        let mut chunks: BTreeMap<Partition, Chunk> = BTreeMap::new();
        let mut next = match timeout(wait, group.receive()).await {
            Ok(received) => Some(received?),
            Err(_) => None,
        };
        let mut left = self.options.batch;
        while let Some(Received { topic, partition, offset, event }) = next {
            let chunk = chunks.entry((topic, partition)).or_default();
            chunk.last = offset;
            if let Some(event) = event {
                chunk.events.push(event);
                chunk.offsets.push(offset);
            }
            left = left.saturating_sub(1);
            next = if left == 0 { None } else { group.receive().now_or_never().transpose()? };
        }
        Ok(chunks)
    }

    /// Notes how far behind each topic is: as far as the partition of it that is furthest behind.
    fn note_lags(&self, stuck: &BTreeMap<Partition, DateTime<Utc>>, chunks: &BTreeMap<Partition, Chunk>) {
        let news = chunks.iter().filter_map(|(at, chunk)| Some((at, chunk.events.first()?.time)));
        let waiting: Vec<_> = stuck.iter().map(|(at, time)| (at, *time)).chain(news).collect();
        for topic in Self::topics() {
            let of_topic = waiting.iter().filter(|(at, _)| at.0 == topic);
            self.note_lag(of_topic.map(|(_, time)| *time).min(), topic);
        }
    }

    /// How many events are done, and how long to wait before the next is tried again: not at all if all are done.
    async fn settle(&self, topic: Topic, chunk: &Chunk, lane: &mut Lane) -> (usize, Duration) {
        let mut done = 0;
        while done < chunk.events.len() {
            let tried = &chunk.events[done..(done + lane.limit()).min(chunk.events.len())];
            match self.attempt(topic, tried, lane).await {
                Ok(()) => {
                    lane.succeeded();
                    done += tried.len();
                }
                Err(failure) => {
                    let pause = lane.failed(tried, &failure);
                    if pause > Duration::ZERO {
                        return (done, pause);
                    }
                }
            }
        }
        (done, Duration::ZERO)
    }

    async fn attempt(&self, topic: Topic, events: &[Event], lane: &Lane) -> Result<(), Failure> {
        let in_general = |error: pg::Error| Failure { at: 0, error: HandlerError::transient(error) };
        let mut tx = self.pool.begin().await.map_err(in_general)?;
        // Members of the group go on beside each other; a redrive waits for them, and they for it.
        locks::shared(&mut tx, self.turn(topic)).await.map_err(in_general)?;
        self.apply(&mut tx, events, lane).await?;
        tx.commit().await.map_err(in_general)
    }
}
