//! The program of one service: `serve` (the default), `migrate`, `check-config`, `config`.

use std::process::ExitCode;

use chassis::config::ServiceConfig;
use chassis::{Lifecycle, Running, Wiring};
use clap::{Parser, Subcommand};
use clock::Clock;
use sqlx::migrate::Migrator;

use crate::{Options, Postgres, Settings, Use, database_on_server};

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM or Ctrl-C (the default).
    Serve {
        /// Refuse to start while a migration is pending, instead of applying it.
        #[arg(long)]
        no_migrate: bool,
    },
    /// Applies pending migrations and ends.
    Migrate,
    /// Checks the configuration and ends: exit code 0 if it is usable.
    CheckConfig,
    /// Prints the configuration in force, secrets hidden.
    Config,
}

/// Runs the program of the service whose configuration is `C`.
pub fn run_service<C, Fut>(migrator: &'static Migrator, start: impl FnOnce(C, Lifecycle, Wiring) -> Fut) -> ExitCode
where
    C: ServiceConfig,
    Fut: Future<Output = anyhow::Result<Running>>,
{
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let run = || -> anyhow::Result<()> { runtime?.block_on(run(cli, migrator, start)) };
    chassis::exit_code(run())
}

async fn run<C, Fut>(
    cli: Cli,
    migrator: &Migrator,
    start: impl FnOnce(C, Lifecycle, Wiring) -> Fut,
) -> anyhow::Result<()>
where
    C: ServiceConfig,
    Fut: Future<Output = anyhow::Result<Running>>,
{
    let command = cli.command.unwrap_or(Command::Serve { no_migrate: false });
    let purpose = match command {
        Command::Serve { .. } | Command::Migrate => Use::Work,
        Command::CheckConfig | Command::Config => Use::Look,
    };
    let mut settings = Settings::load(&cli.options, purpose)?;
    let config: C = settings.service();
    settings.finish()?;
    match command {
        Command::CheckConfig => println!("the configuration is usable"),
        Command::Config => {
            let mut root = toml::Table::new();
            root.insert(C::SECTION.to_owned(), toml::Value::try_from(&config)?);
            print!("{}", toml::to_string(&root)?);
        }
        Command::Serve { no_migrate } => {
            let life = Lifecycle::new(Clock::system());
            life.listen_for_signals()?;
            let (mut config, managed) = with_database(config, &settings).await?;
            config.database_mut().migrate &= !no_migrate;
            if let Some(postgres) = &managed {
                postgres.watch(&life);
            }
            life.start(start(config, life.clone(), Wiring::default())).await;
            let ended = life.run().await;
            stop(managed).await;
            ended?;
        }
        Command::Migrate => {
            let (mut config, managed) = with_database(config, &settings).await?;
            let migrated = pg::migrate(&config.database_mut().pool_config(C::SECTION), migrator).await;
            stop(managed).await;
            migrated?;
            println!("the database is up to date");
        }
    }
    Ok(())
}

/// The database that is configured, or this service's on the server of `DATABASE_URL`, or one that Nova manages.
async fn with_database<C: ServiceConfig>(mut config: C, settings: &Settings) -> anyhow::Result<(C, Option<Postgres>)> {
    if !config.database_mut().url.is_empty() {
        return Ok((config, None));
    }
    if let Some(server) = &settings.server {
        config.database_mut().url = database_on_server(server.expose(), C::DATABASE).await?;
        return Ok((config, None));
    }
    let postgres = Postgres::open(&settings.data).await?;
    config.database_mut().url = postgres.url(C::DATABASE).into();
    Ok((config, Some(postgres)))
}

async fn stop(managed: Option<Postgres>) {
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
}
