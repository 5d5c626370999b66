//! Events from a change to an effect, over each bus, with everything that may die in between dying.

#[cfg(feature = "kafka")]
mod kafka;
mod kinds;
mod log;
#[cfg(feature = "kafka")]
mod mock;
mod suite;
mod world;
