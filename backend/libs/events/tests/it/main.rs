//! Events from a change to an effect, over each bus, with everything that may die in between dying.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod kinds;
mod log;
#[cfg(feature = "kafka")]
mod mock;
mod replays;
mod suite;
mod world;
