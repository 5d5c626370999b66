//! Events from a change to an effect, over each bus, with everything that may die in between dying.

mod kinds;
mod log;
mod suite;
mod world;
