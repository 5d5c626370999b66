//! `nova`: every service in one process, and the tools to run it.

mod admin;
mod backup;
mod bus;
mod config;
mod demo;
mod dev_certs;
mod doctor;
mod front_door;
mod master_key;
mod restore;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use standalone::{Options, Use};

use crate::config::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A social and messaging backend: accounts, profiles, follows and blocks, conversations.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves everything from one process until SIGTERM or Ctrl-C (the default).
    Serve {
        /// Refuse to start while a migration is pending, instead of applying it.
        #[arg(long)]
        no_migrate: bool,
    },
    /// Fills in people, follows and conversations, and prints their log-ins.
    Demo,
    /// Checks configuration, data folder, database, keys, clock and ports, and says what to do. Starts the managed
    /// PostgreSQL for it if none runs, and makes it at the first time.
    Doctor,
    /// Makes an authority of your own and certificates for every part of Nova, to try TLS with, and says what to set.
    DevCerts(dev_certs::DevCerts),
    /// Applies pending migrations of all services and ends.
    Migrate,
    /// Writes all databases as they are at one moment into a folder, while everything goes on.
    Backup(backup::Backup),
    /// Puts a backup back, here or elsewhere. No nova and no service may run meanwhile.
    Restore(restore::Restore),
    /// Changes what has no API, directly in the databases.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Checks the configuration and ends: exit code 0 if it is usable.
    CheckConfig,
    /// Shows the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints the configuration in force, secrets hidden.
    Print,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let run = || -> anyhow::Result<ExitCode> { runtime?.block_on(run(cli)) };
    match run() {
        Ok(code) => code,
        Err(error) => chassis::exit_code(Err(error)),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let command = cli.command.unwrap_or(Command::Serve { no_migrate: false });
    match &command {
        Command::Doctor => return doctor::run(&cli.options).await,
        Command::DevCerts(wanted) => {
            dev_certs::run(&cli.options, wanted)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let purpose = match command {
        // A master key that is missing must be put back, not made anew.
        Command::CheckConfig | Command::Config(_) | Command::Restore(_) => Use::Look,
        _ => Use::Work,
    };
    let config = Config::load(&cli.options, purpose)?;
    match command {
        Command::Serve { no_migrate } => serve::run(config, no_migrate).await?,
        Command::Demo => demo::run(config).await?,
        Command::Migrate => admin::migrate(config).await?,
        Command::Backup(wanted) => backup::run(config, wanted).await?,
        Command::Restore(wanted) => restore::run(config, wanted).await?,
        Command::Admin(command) => admin::run(config, command).await?,
        Command::CheckConfig => println!("the configuration is usable"),
        Command::Config(ConfigCommand::Print) => print!("{}", config.print()?),
        Command::Doctor | Command::DevCerts(_) => {
            unreachable!("handled before the configuration is required to be right")
        }
    }
    Ok(ExitCode::SUCCESS)
}
