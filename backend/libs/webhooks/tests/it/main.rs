//! Messages on a real network: loopback, which the operator has allowed.

mod receiver;
mod send;
