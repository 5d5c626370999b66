//! Configuration: defaults, over them an optional TOML file, over it the environment (`NOVA_<SECTION>__<KEY>`).
//!
//! Every fault is reported at once, with its key and what would be right, so that a wrong file takes one try to mend.

mod events;
mod peer_bounds;
mod peers;
mod proxy_header;
mod redis;
mod secrets;
mod sections;
mod source;
mod tls;
mod traces;
mod values;

pub use self::tls::{ClientCertificates, ListenTls, PeersTls, Plaintext};
pub use events::{EVENTS_DATABASE, Events, Kafka};
pub use peer_bounds::PeerBounds;
pub use peers::{Dialer, OpenPeers, Peers};
pub use proxy_header::ProxyHeader;
pub use redis::Redis;
pub use secrets::{SecretName, Secrets, ServiceConfig};
pub use sections::{AcceptedTokens, Database, Listen, Log, LogFormat, Paging, is_postgres};
pub use source::{Fault, Faults, PLACEHOLDER, Source, Validate, unfilled_problem};
pub use traces::{NotPairs, Ratio, Traces};
pub use values::{Secret, address, duration};
