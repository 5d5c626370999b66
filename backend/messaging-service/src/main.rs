//! The messaging service as a program of its own.

use std::process::ExitCode;

use messaging_service::{Config, KEYS_MIGRATOR, MIGRATOR, start};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    standalone::run_service::<Config, _>(&[&MIGRATOR, &KEYS_MIGRATOR, &events::LOG_MIGRATOR], start)
}
