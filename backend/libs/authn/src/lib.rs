//! Who calls: access tokens are checked locally against the auth service's public keys and its list of ended sessions.
//!
//! A [`Verifier`] needs no call to the auth service for a token (introspection per call is what slows Synapse down, #16087);
//! it is fed with [`KeySet`]s and revocations by whoever can reach them (crate `rpc` for a remote auth service).

mod access;
mod caller;
mod claims;
mod peer;
mod rule;
mod verifier;

pub use access::{Access, AccessTable};
pub use caller::{Caller, Denied};
pub use claims::{Algorithm, Claims, ROLE_ADMIN, ROLE_SERVICE, Roles};
pub use peer::Peer;
pub use rule::{CallerKind, Case, RELATIONS, Rule, Verdict, access_of, rule};
pub use verifier::{KeyFault, KeySet, Verifier};
