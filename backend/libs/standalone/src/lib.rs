//! What makes a program of a service: arguments, the configuration file, the data folder with its secrets, and a PostgreSQL
//! of Nova's own where no other is named. Used by the all-in-one `nova` and by each service's own program.

mod data_folder;
mod postgres;
mod program;
mod server;
mod settings;

pub use data_folder::DataFolder;
pub use postgres::Postgres;
pub use program::{open_databases, run_service};
pub use settings::{Options, Settings, Use};
