//! The rules of accounts and tokens. Nothing here reads the clock, the network or the database.

pub mod audit;
pub mod audit_chain;
mod audit_kind;
pub mod email;
pub mod keys;
pub mod lockout;
pub mod opaque;
pub mod password;
pub mod refresh_token;
pub mod role;
pub mod text;
pub mod totp;
pub mod user;
pub mod username;
pub mod webhook;

pub use email::Email;
pub use opaque::{OpaqueToken, TokenHash};
pub use password::{NewPassword, Password};
pub use refresh_token::{RefreshKey, RefreshToken};
pub use role::Role;
pub use user::{Session, User};
pub use username::{LoginName, Username};
