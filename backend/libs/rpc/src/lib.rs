//! Calls to other services: with the caller's deadline, our own identity, and a bounded number of tries.

mod context;
mod credentials;
mod dial;
mod peer;
mod request_id;
mod retry;
mod token_state;

pub use context::{CallContext, current, scope};
pub use credentials::Credentials;
pub use dial::{Dial, Doorway};
pub use peer::{Peer, PeerChannel, PeerFault};
pub use request_id::request_id;
pub use retry::{Idempotent, retry};
pub use token_state::follow_token_state;
