//! The program of one service: `serve` (the default), `migrate`, `check-config`, `config`.

use std::process::ExitCode;

use anyhow::Context;
use chassis::config::{Database, Secret, ServiceConfig};
use chassis::{Lifecycle, Running, Wiring};
use clap::{Parser, Subcommand};
use clock::Clock;
use sqlx::migrate::Migrator;

use crate::server::database_on_server;
use crate::{DataFolder, Options, Postgres, Settings, Use};

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

/// Runs the program of the service whose configuration is `C`; `migrators` are of its databases, in their order.
pub fn run_service<C, Fut>(migrators: &[&'static Migrator], start: impl FnOnce(C, Lifecycle, Wiring) -> Fut) -> ExitCode
where
    C: ServiceConfig,
    Fut: Future<Output = anyhow::Result<Running>>,
{
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let run = || -> anyhow::Result<()> { runtime?.block_on(run(cli, migrators, start)) };
    chassis::exit_code(run())
}

async fn run<C, Fut>(
    cli: Cli,
    migrators: &[&Migrator],
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
            for (_, database) in config.databases_mut() {
                database.migrate &= !no_migrate;
            }
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
            let migrated = migrate(&mut config, migrators).await;
            stop(managed).await;
            migrated?;
        }
    }
    Ok(())
}

async fn migrate<C: ServiceConfig>(config: &mut C, migrators: &[&Migrator]) -> anyhow::Result<()> {
    for ((name, database), migrator) in config.databases_mut().into_iter().zip(migrators) {
        pg::migrate(&database.pool_config(C::SECTION), migrator).await.with_context(|| name.to_owned())?;
        println!("{name} is up to date");
    }
    Ok(())
}

/// The databases that are configured, or this service's on the server of `DATABASE_URL`, or those that Nova manages.
async fn with_database<C: ServiceConfig>(mut config: C, settings: &Settings) -> anyhow::Result<(C, Option<Postgres>)> {
    let managed = open_databases(config.databases_mut(), settings.server.as_ref(), &settings.data).await?;
    Ok((config, managed))
}

/// Gives each database that has no address one: on the server that `DATABASE_URL` names, or in a PostgreSQL of Nova's own, which
/// is returned and must be stopped at the end.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn open_databases(
    databases: Vec<(&'static str, &mut Database)>,
    server: Option<&Secret>,
    data: &DataFolder,
) -> anyhow::Result<Option<Postgres>> {
    let mut managed = None;
    for (name, database) in databases.into_iter().filter(|(_, database)| database.url.is_empty()) {
        if let Some(server) = server {
            database.url = database_on_server(server.expose(), name).await?;
        } else {
            let postgres = match managed.take() {
                Some(postgres) => postgres,
                None => Postgres::open(data).await?,
            };
            database.url = postgres.url(name).into();
            managed = Some(postgres);
        }
    }
    Ok(managed)
}

async fn stop(managed: Option<Postgres>) {
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
}
