//! What the fuzz targets share: a runtime whose time stands still, a gRPC service that only remembers, and Nova's three services
//! without a database.

pub mod plain;
mod remembering;
mod runtime;
mod services;

pub use remembering::{Remembering, Seen};
pub use runtime::{block_on, enter};
pub use services::{CALLERS, Services};
