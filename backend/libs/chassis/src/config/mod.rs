//! Configuration: defaults, over them an optional TOML file, over it the environment (`NOVA_<SECTION>__<KEY>`).
//!
//! Every fault is reported at once, with its key and what would be right, so that a wrong file takes one try to mend.

mod secrets;
mod sections;
mod source;
mod values;

pub use secrets::{SecretName, Secrets, ServiceConfig};
pub use sections::{AcceptedTokens, Database, Listen, Log, LogFormat, Paging, Peers};
pub use source::{Fault, Faults, Source, Validate};
pub use values::{Secret, duration};
