//! The program of one service: `serve` (the default), `migrate`, `check-config`, `config`.

use std::process::ExitCode;

use chassis::config::ServiceConfig;
use chassis::{Lifecycle, Running, Wiring, telemetry};
use clap::{Parser, Subcommand};
use clock::Clock;
use sqlx::migrate::Migrator;

use crate::{Options, Postgres, Settings};

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
    let mut settings = Settings::load(&cli.options)?;
    telemetry::init(&settings.log);
    let mut config: C = settings.service();
    settings.finish()?;
    let command = cli.command.unwrap_or(Command::Serve { no_migrate: false });
    match command {
        Command::CheckConfig => {
            println!("the configuration is usable");
            return Ok(());
        }
        Command::Config => {
            let mut root = toml::Table::new();
            root.insert(C::SECTION.to_owned(), toml::Value::try_from(&config)?);
            print!("{}", toml::to_string(&root)?);
            return Ok(());
        }
        Command::Serve { .. } | Command::Migrate => {}
    }

    let managed = match config.database_mut().url.is_empty() {
        true => Some(Postgres::open(&settings.data).await?),
        false => None,
    };
    if let Some(postgres) = &managed {
        config.database_mut().url = postgres.url(C::DATABASE).into();
    }
    if let Command::Serve { no_migrate } = command {
        config.database_mut().migrate &= !no_migrate;
        let life = Lifecycle::new(Clock::system());
        if let Some(postgres) = &managed {
            postgres.watch(&life);
        }
        if let Err(error) = start(config, life.clone(), Wiring::default()).await {
            life.fail(error);
        }
        let ended = life.run().await;
        stop(managed).await;
        return ended;
    }
    let pool = config.database_mut().pool_config(C::SECTION);
    let migrated = pg::migrate(&pool, migrator).await;
    stop(managed).await;
    migrated?;
    println!("the database is up to date");
    Ok(())
}

async fn stop(managed: Option<Postgres>) {
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
}
