//! The auth service through the wire: a real PostgreSQL, a real server on a free port, a clock that tests move.

mod access;
mod accounts;
mod audit;
mod audit_chain;
mod audit_faults;
mod audit_readers;
mod emails;
mod export;
mod faults;
mod inputs;
mod keys;
mod limits;
mod lockout;
mod login;
mod passwords;
mod peers;
mod refresh;
mod roles;
mod sessions;
mod tokens;
mod told;
mod totp;
mod users;
mod world;
