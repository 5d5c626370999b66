//! The user service as a program of its own.

use std::process::ExitCode;

use user_service::{Config, MIGRATOR, start};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    standalone::run_service::<Config, _>(&[&MIGRATOR, &events::LOG_MIGRATOR], start)
}
