//! Room for calls under way: so many of people, and as many of Nova's own services, so that strangers can't keep revocations
//! from spreading.

use std::sync::Arc;

use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Lifecycle;
use crate::refusal::Refusal;

/// See the module.
pub(crate) struct Slots {
    people: Side,
    services: Side,
}

struct Side {
    free: Arc<Semaphore>,
    refused: Counter,
}

impl Slots {
    /// Room for `most` calls of either side to `service`; how much of it is taken is told to the metrics.
    pub fn new(service: &'static str, most: usize, life: &Lifecycle) -> Self {
        describe_counter!(
            "nova_calls_refused_total",
            "Calls refused because as many as may be were under way, by who called"
        );
        describe_gauge!("nova_calls_in_flight", "Calls under way, by who called");
        describe_gauge!("nova_calls_in_flight_max", "Most calls that may be under way, of people and of services each");
        gauge!("nova_calls_in_flight_max", "service" => service).set(most as f64);
        let side = |of: &'static str| {
            let free = Arc::new(Semaphore::new(most));
            let taken = gauge!("nova_calls_in_flight", "service" => service, "of" => of);
            let seen = Arc::clone(&free);
            life.on_scrape(Arc::new(move || taken.set((most - seen.available_permits()) as f64)));
            Side { free, refused: counter!("nova_calls_refused_total", "service" => service, "of" => of) }
        };
        Self { people: side("people"), services: side("services") }
    }

    /// A slot for one more call.
    pub fn take(&self, of_service: bool) -> Result<OwnedSemaphorePermit, Refusal> {
        let side = if of_service { &self.services } else { &self.people };
        Arc::clone(&side.free).try_acquire_owned().map_err(|_| {
            side.refused.increment(1);
            Refusal::Overloaded
        })
    }
}
