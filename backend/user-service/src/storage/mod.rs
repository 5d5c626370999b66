//! SQL, one file a table. Every function is one round trip unless it says otherwise, and takes the connection or transaction
//! that it runs in. Locks are taken in one order: the pair, the users (advisory), rows of follows, rows of counts by key.

pub mod blocks;
pub mod contacts;
pub mod counts;
pub mod export;
pub mod follows;
pub mod locks;
pub mod profiles;
pub mod search;
pub mod settings;
