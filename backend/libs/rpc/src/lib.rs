//! Calls to other services that survive a bad peer: with the caller's deadline, our own identity, and bounds on tries, calls at
//! once, and on how long somebody who fails is tried again (docs/PEERS.md).

mod address;
mod addresses;
mod bounds;
mod breaker;
mod budget;
mod context;
mod credentials;
mod dial;
mod dice;
mod fault;
mod link;
mod meters;
mod peer;
mod request_id;
mod resolver;
mod retry;
mod token_state;
mod trace;

pub use bounds::Bounds;
pub use context::{CallContext, current, scope};
pub use credentials::Credentials;
pub use dial::{Dial, Doorway};
pub use peer::{Peer, PeerChannel, PeerFault};
pub use request_id::request_id;
pub use resolver::Resolver;
pub use retry::{Idempotent, idempotent};
pub use token_state::follow_token_state;
pub use trace::code_name;
