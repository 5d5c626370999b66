//! The wire: [`server`] answers calls, [`convert`] knows both the messages and the model.

mod access;
mod convert;
mod export;
mod fields;
mod rates;
mod server;

pub use access::{ACCESS, RULES};
pub use rates::RATES;
pub use server::Server;
