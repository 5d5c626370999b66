//! One file a subject; the promises (G1 …) are those of the contract.

mod blocks;
mod calls;
mod connectivity;
mod durability;
mod errors;
mod events;
mod export;
mod flow;
mod ordering;
mod paging;
mod rest;
mod sessions;
mod tls;
mod traces;
mod unread;
mod updates;
