//! The messaging service through the wire: a real PostgreSQL, a real server, an in-process user service that can be told
//! what to answer.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod admin;
mod contacts;
mod conversations;
mod cursors;
mod export;
mod faults;
mod inputs;
mod limits;
mod listening;
mod members;
mod messages;
mod order;
mod pages;
mod privacy;
mod process;
mod reads;
mod replicas;
mod sealing;
mod storm;
mod streams;
mod told;
mod unread_model;
mod users;
mod world;
