//! `nova admin` and `nova migrate`: what has no API, done directly in the databases. Works beside a running Nova.

use std::path::PathBuf;

use anyhow::{Context, bail};
use auth_service::admin as auth;
use auth_service::model::{Email, NewPassword, Role, Username};
use clap::Subcommand;
use clock::Clock;
use pg::{Conn, Pool, PoolConfig};
use sealing::{MasterKey, MasterKeys};
use sqlx::migrate::Migrator;

use crate::bus::{self, DeadLetters, Replay};
use crate::config::Config;
use crate::master_key;
use crate::restore;

/// What an operator may do.
#[derive(Subcommand)]
pub enum Command {
    /// Makes an account whose e-mail counts as verified.
    CreateUser {
        /// 3 to 32 characters: a-z, 0-9, dot and underscore
        username: String,
        /// Its e-mail.
        email: String,
        /// Its password. Left out: one is made and printed.
        #[arg(long, env = "NOVA_NEW_PASSWORD", hide_env_values = true)]
        password: Option<String>,
        /// A role besides `user`, such as admin; may be given several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Gives a person a role; it is in the tokens that they get from then on.
    GrantRole {
        /// Who.
        username: String,
        /// Which, such as admin.
        role: String,
    },
    /// Makes a new key for signing tokens. Nobody is logged out; running services pick it up by themselves.
    RotateKeys,
    /// Puts another master key in the place of the present one, while everything goes on. Nothing is sealed anew but one key a
    /// database.
    RotateMasterKey {
        /// A file with the new key: 32 bytes in base64. Left out: one is made, where Nova keeps the key in its data folder.
        #[arg(long)]
        new_key_file: Option<PathBuf>,
    },
    /// Proves that nobody has changed the audit log by hand.
    VerifyAudit {
        /// What an earlier run printed: shows too whether the newest events of that time are still there.
        #[arg(long)]
        checkpoint: Option<String>,
    },
    /// Proves every count against the rows that it counts, and mends those that are wrong.
    Reconcile {
        /// Only tell, change nothing.
        #[arg(long)]
        check: bool,
    },
    /// Does what `nova restore` does once the rows are back, after another tool has set the databases back to an earlier moment (a
    /// point-in-time restore): before any service starts.
    AfterRestore {
        /// End every session and void the tokens of mails: those that were ended or used after that moment are good again.
        #[arg(long)]
        end_sessions: bool,
    },
    /// Events that could not be acted on.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Shows the consumers of events: how far each has come in a topic, and what it has not done yet.
    Consumers,
    /// Has a consumer act again on events that the bus still keeps. With Kafka it must be stopped meanwhile.
    Replay(Replay),
}

/// Carries out a command.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn run(mut config: Config, command: Command) -> anyhow::Result<()> {
    let managed = config.open_databases().await?;
    let done = match command {
        // Nobody may be connected meanwhile, so neither may we.
        Command::AfterRestore { end_sessions } => restore::after_another_tool(&mut config, end_sessions).await,
        command => carry_out(config, command).await,
    };
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
    done
}

async fn carry_out(mut config: Config, command: Command) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let database = config.auth.database.pool_config("nova-admin");
    must_be_up_to_date(&database, &auth_service::MIGRATOR).await?;
    let mut conn = Pool::new(database)?.conn().await?;
    let master = || config.auth.master_keys().context("auth.master_key");
    match command {
        Command::CreateUser { username, email, password, roles } => {
            let roles = roles.iter().map(|name| role(name)).collect::<Result<Vec<_>, _>>()?;
            let made = password.is_none().then(MasterKey::generate_base64);
            let text = password.unwrap_or_else(|| made.as_deref().map(|p| p[..24].to_owned()).unwrap_or_default());
            let account = auth::NewAccount {
                username: Username::parse(&username)?,
                email: Email::parse(&email)?,
                password: NewPassword::parse(text.clone())?,
                roles,
            };
            let id = auth::create_user(&mut conn, &master()?, account, &config.auth.password, now).await?;
            println!("made {username}: {id}");
            if made.is_some() {
                println!("password: {text}");
            }
        }
        Command::GrantRole { username, role: name } => {
            let id = auth::grant_role(&mut conn, &master()?, &Username::parse(&username)?, role(&name)?, now).await?;
            println!("{username} ({id}) has the role {name}; log in again to use it");
        }
        Command::RotateKeys => {
            let kid = auth::rotate_keys(&mut conn, &master()?, config.auth.tokens.algorithm, now).await?;
            println!("new tokens are signed with key {kid} in {} s", auth::PUBLISHED_AHEAD.as_secs());
        }
        Command::RotateMasterKey { new_key_file } => {
            let messaging = config.messaging.database.pool_config("nova-admin");
            must_be_up_to_date(&messaging, &messaging_service::MIGRATOR).await?;
            master_key::rotate(&mut config, new_key_file.as_deref(), now).await?;
        }
        Command::VerifyAudit { checkpoint } => verify_audit(&mut conn, &master()?, checkpoint.as_deref()).await?,
        Command::Reconcile { check } => reconcile(&mut config, check).await?,
        Command::DeadLetters(command) => bus::dead_letters(&config, command).await?,
        Command::AfterRestore { .. } => unreachable!("handled before anything is connected to"),
        Command::Consumers => bus::consumers(&config).await?,
        Command::Replay(replay) => bus::replay(&config, replay).await?,
    }
    Ok(())
}

async fn verify_audit(conn: &mut Conn, master: &MasterKeys, checkpoint: Option<&str>) -> anyhow::Result<()> {
    let since = checkpoint.map(str::parse).transpose()?;
    let report = auth_service::verify::verify_audit(conn, master, since.as_ref()).await?;
    for fault in &report.faults {
        println!("{fault}");
    }
    println!("audit log: {} events checked, {} faults", report.rows, report.faults.len());
    if !report.faults.is_empty() {
        bail!("somebody has changed the audit log by hand");
    }
    println!("checkpoint: {}", report.checkpoint);
    Ok(())
}

fn role(name: &str) -> anyhow::Result<Role> {
    Role::parse(name).with_context(|| format!("{name} is no role that can be given"))
}

async fn reconcile(config: &mut Config, check: bool) -> anyhow::Result<()> {
    let user = config.user.database.pool_config("nova-admin");
    must_be_up_to_date(&user, &user_service::MIGRATOR).await?;
    let follows = user_service::admin::reconcile(&Pool::new(user)?, !check).await?;
    println!(
        "follows: {} counts compared, {} wrong, {} mended",
        follows.compared,
        follows.drifts.len(),
        follows.repaired
    );
    let messaging = config.messaging.database.pool_config("nova-admin");
    must_be_up_to_date(&messaging, &messaging_service::MIGRATOR).await?;
    let conversations = messaging_service::admin::reconcile(&Pool::new(messaging)?, !check).await?;
    println!("conversations: {conversations}");
    if check && !(follows.drifts.is_empty() && conversations.is_clean()) {
        bail!("some counts are wrong: run `nova admin reconcile` to mend them");
    }
    Ok(())
}

/// A newer program must not change the schema of a running release unasked.
///
/// # Errors
/// If the database can't be read or a migration is pending.
pub async fn must_be_up_to_date(database: &PoolConfig, migrator: &Migrator) -> anyhow::Result<()> {
    match pg::pending(database, migrator).await? {
        0 => Ok(()),
        n => bail!("{n} migrations are pending: run `nova migrate` or `nova serve` first"),
    }
}

/// Applies what is pending in all databases.
///
/// # Errors
/// If a database can't be reached or a migration fails.
pub async fn migrate(mut config: Config) -> anyhow::Result<()> {
    let managed = config.open_databases().await?;
    let mut migrated = Ok(());
    for (name, pool, migrator) in config.schemas("nova-migrate") {
        let pending = pg::pending(&pool, migrator).await;
        let applied = pg::migrate(&pool, migrator).await.with_context(|| format!("{name} can't be migrated"));
        match applied {
            Ok(()) => println!("{name}: {} applied", pending.unwrap_or(0)),
            Err(error) => {
                migrated = Err(error);
                break;
            }
        }
    }
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
    migrated
}
