//! The auth service through the wire: a real PostgreSQL, a real server on a free port, a clock that tests move.

mod access;
mod accounts;
mod emails;
mod faults;
mod inputs;
mod keys;
mod lockout;
mod login;
mod passwords;
mod peers;
mod refresh;
mod roles;
mod sessions;
mod tokens;
mod totp;
mod users;
mod world;
