//! The producer: idempotent, acknowledged by all replicas in sync, and given up at the first failure.
//!
//! Within a partition a producer stores a prefix of what it was given, in that order: what it repeats by itself is stored once,
//! nothing times out by itself and leaves a gap, and after a failure nothing more is given to it. A successor begins with what
//! was not acknowledged. So whatever the two store between them, each event comes for the first time after those before it.

use rdkafka::producer::{FutureProducer, FutureRecord, Producer, PurgeConfig};
use tokio::sync::MutexGuard;

use super::{Error, Kafka};
use crate::kafka::cloud_event;
use crate::{Event, PublishError};

/// A producer in use. Unless it is done with, it is given up.
struct InUse<'k> {
    kafka: &'k Kafka,
    slot: MutexGuard<'k, Option<FutureProducer>>,
    is_done: bool,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.kafka.doubt_topics();
        if let Some(producer) = self.slot.take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            off_thread(producer);
        }
    }
}

/// Drops what waits for the network when it is dropped, where nobody waits for it.
pub(super) fn off_thread<T: Send + 'static>(value: T) {
    std::thread::spawn(move || drop(value));
}

impl Kafka {
    pub(crate) async fn publish(&self, events: &[&Event]) -> Result<(), PublishError> {
        let failed = |accepted, error: Error| PublishError { accepted, cause: error.into() };
        let mut in_use = InUse { kafka: self, slot: self.0.producer.lock().await, is_done: false };
        self.make_topics().await.map_err(|error| failed(0, error))?;
        let producer = match in_use.slot.take() {
            Some(producer) => producer,
            None => self.producer().map_err(|error| failed(0, error))?,
        };
        let producer = in_use.slot.insert(producer);
        let mut deliveries = Vec::with_capacity(events.len());
        for event in events {
            let key = event.aggregate.to_string();
            let record = FutureRecord::to(event.topic.name())
                .key(&key)
                .payload(&event.data)
                .headers(cloud_event::headers(event));
            match producer.send_result(record) {
                Ok(delivery) => deliveries.push(delivery),
                Err((error, _)) => return Err(failed(0, error.into())),
            }
        }
        for (accepted, delivery) in deliveries.into_iter().enumerate() {
            match delivery.await {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => return Err(failed(accepted, error.into())),
                Err(_) => return Err(failed(accepted, Error::GivenUp)),
            }
        }
        in_use.is_done = true;
        Ok(())
    }

    fn producer(&self) -> Result<FutureProducer, Error> {
        let usual = [("linger.ms", "1")];
        let must = [
            ("enable.idempotence", "true"),
            ("enable.gapless.guarantee", "true"),
            ("acks", "all"),
            // Whoever publishes says when it takes too long, and gives up the whole producer.
            ("message.timeout.ms", "0"),
            // The partition that Kafka's own clients would choose for the key.
            ("partitioner", "murmur2_random"),
        ];
        Ok(self.client(&usual, &must).create()?)
    }
}
