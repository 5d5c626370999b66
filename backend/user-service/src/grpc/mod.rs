//! The wire: [`server`] answers calls, [`convert`] knows both the messages and the model.

mod convert;
mod fields;
mod server;

pub use server::{ACCESS, Server};
