//! PostgreSQL as Nova uses it: a pool that adds no round trips, transactions, migrations, errors and pages.

mod error;
mod meters;
mod migrate;
pub mod page;
mod pool;
pub mod request;
pub mod restoring;

pub use error::{Corrupt, Error};
pub use migrate::{migrate, pending};
pub use sqlx::migrate::Migrator;

pub use pool::{Conn, Pool, PoolConfig, Tx};
