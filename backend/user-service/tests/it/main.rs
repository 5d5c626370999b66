//! The user service through the wire: the real service on a real PostgreSQL, with fake peers. One binary, one file a resource.

#![expect(clippy::unwrap_used, reason = "a test that meets an unexpected error is to fail")]

mod access;
mod algebra;
mod blocks;
mod contacts;
mod export;
mod follows;
mod history;
mod hunt;
mod limits;
mod lists;
mod memory;
mod peers;
mod profiles;
mod races;
mod search;
mod settings;
mod tokens;
mod told;
mod world;
