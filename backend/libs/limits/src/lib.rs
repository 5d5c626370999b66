//! How many calls are taken from whom: per person, per address, and per account that a call names.
//!
//! Every limit is a bucket that leaks at a steady rate and takes a burst: GCRA, the generic cell rate algorithm of ITU-T I.371,
//! there called "the continuous-state leaky bucket" (as a meter). It needs one number for each caller – when the bucket would be
//! empty – and no timer.
//!
//! The numbers are in memory. With Redis they are there too, and replicas admit together what one may; Redis away or slow makes
//! each replica decide by itself, never an error and never no limit.

mod class;
mod gcra;
mod limited;
mod limiter;
mod memory;
mod rate;
mod shared;
mod subject;

pub use class::{Class, Classes, RateTable, UnknownClass};
pub use limited::{Limited, Scope};
pub use limiter::{Limiter, Rpc};
pub use rate::{BadRate, Rate};
pub use shared::BadAddress;
