//! Records of a database, remembered for less than a second in the memory of a process.
//!
//! What is remembered is at most [`Terms::max_age`] old, counted from before it was read, whatever is lost on the way: that
//! bound needs no message, and no other process. Within it [`Cache::forget`] makes what was read before it void at once: what is
//! remembered, and answers that are still on their way.
//!
//! Absence and errors are never remembered. [`Meter`] counts for every cache of a process, whatever it is made of.

mod cache;
mod generations;
mod meter;

pub use cache::{Cache, Record, Terms, Ticket};
pub use meter::Meter;
