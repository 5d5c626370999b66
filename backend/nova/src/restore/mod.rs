//! `nova restore`: puts a backup back, here or elsewhere, and looks whether everything is there (docs/adr/0018).

mod after;
mod target;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chassis::config::SecretName;
use clap::Args;
use clock::Clock;
use messaging_service::KEYS_DATABASE;
use pg::{Migrator, PoolConfig};

use crate::admin::must_be_up_to_date;
use crate::backup::manifest::{self, Bus, Dump, Kind, Manifest, Unknown};
use crate::backup::programs::Programs;
use crate::backup::{TOOL, configured_master_keys, newest_keys};
use crate::config::Config;
use target::{Holds, Target};

/// What is put back, and how.
#[derive(Args)]
pub struct Restore {
    /// A backup: the folder nova-….
    backup: PathBuf,
    /// A copy of people's keys: the folder nova-keys-… (default: the keys that the database has, else the newest copy beside the
    /// backup).
    #[arg(long, value_name = "FOLDER")]
    keys: Option<PathBuf>,
    /// Put it in the place of what the databases hold. People's keys stay as they are unless --keys is given.
    #[arg(long)]
    replace: bool,
    /// Take a copy of people's keys that is older than the backup, if there is no other: some texts can't be read then.
    #[arg(long)]
    allow_older_keys: bool,
    /// End every session and void the tokens of mails: those that were ended or used after the backup would be good again.
    #[arg(long)]
    end_sessions: bool,
}

/// A database to fill.
struct Plan<'a> {
    name: &'static str,
    pool: PoolConfig,
    migrator: &'static Migrator,
    /// What with; nothing: it is left as it is.
    from: Option<(&'a Dump, &'a Path)>,
}

/// Puts a backup back.
///
/// # Errors
/// With a sentence that says what to do. Until everything is in place no service starts on any of the databases.
pub async fn run(mut config: Config, wanted: Restore) -> anyhow::Result<()> {
    let manifest = Manifest::read(&wanted.backup, Kind::Data)?;
    manifest.verify_files(&wanted.backup)?;
    must_have_the_master_keys(&config, &manifest, &wanted.backup)?;
    let bus = if config.user.events.kafka.brokers.is_empty() { Bus::Log } else { Bus::Kafka };
    ensure!(
        bus == manifest.bus,
        "the backup was made with {} as the event bus: restore it with the same, and change it afterwards",
        match manifest.bus {
            Bus::Log => "the log in PostgreSQL",
            Bus::Kafka => "Kafka",
        }
    );
    let managed = config.open_databases().await?;
    let done = put_back(&mut config, &wanted, &manifest).await;
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
    done
}

/// What a restore does once the rows are back, for databases that another tool has set back to an earlier moment. It may be done
/// again.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn after_another_tool(config: &mut Config, end_sessions: bool) -> anyhow::Result<()> {
    let schemas = config.schemas(TOOL);
    let mut targets = vec![];
    for (name, pool, migrator) in &schemas {
        must_be_up_to_date(pool, migrator).await.with_context(|| format!("{name} is not ready"))?;
        targets.push(Target::open(name, pool).await?);
    }
    target::must_be_alone(&mut targets).await?;
    let faults = after::finish(config, end_sessions, Clock::system().now()).await?;
    target::must_be_alone(&mut targets).await?;
    for target in targets {
        target.close().await?;
    }
    ensure!(faults.is_empty(), "it is done, but {}", faults.join("; "));
    println!("\neverything is in place: services may start");
    Ok(())
}

/// Without them the restored could not be read by anybody.
fn must_have_the_master_keys(config: &Config, manifest: &Manifest, backup: &Path) -> anyhow::Result<()> {
    let here = configured_master_keys(config)?;
    for needed in manifest.databases.iter().filter_map(|dump| dump.master_key.as_ref()) {
        if here.contains(needed) {
            continue;
        }
        let copy = backup.join(format!("master-{needed}.key"));
        let from = if copy.exists() { format!("; the backup has it: {}", copy.display()) } else { String::new() };
        bail!(
            "the backup needs the master key {needed}, which is not the one configured here: put it into {} (mode 0600), or set \
             auth.master_key and messaging.master_key{from}",
            config.data.secret_path(SecretName::MasterKey).display()
        );
    }
    Ok(())
}

async fn put_back(config: &mut Config, wanted: &Restore, manifest: &Manifest) -> anyhow::Result<()> {
    let schemas = config.schemas(TOOL);
    let (_, keys_pool, _) = schemas.iter().find(|(name, ..)| *name == KEYS_DATABASE).context("people's keys")?;
    let keys = choose_keys(keys_pool, wanted, manifest).await?;
    let mut plans = vec![];
    for (name, pool, migrator) in schemas {
        let from = match (name, &keys) {
            (KEYS_DATABASE, None) => None,
            (KEYS_DATABASE, Some((folder, keys))) => {
                Some((keys.dump(name).context("the copy of people's keys holds none")?, folder.as_path()))
            }
            _ => Some((manifest.dump(name).with_context(|| format!("the backup holds no {name}"))?, &*wanted.backup)),
        };
        if let Some((dump, _)) = from {
            let of = keys.as_ref().filter(|_| name == KEYS_DATABASE).map_or(manifest, |(_, keys)| keys);
            of.must_be_known(dump, migrator)?;
        }
        plans.push(Plan { name, pool, migrator, from });
    }
    let tools = keys.as_ref().map_or(manifest.tools, |(_, keys)| keys.tools.max(manifest.tools));
    let mut targets = vec![];
    for plan in &plans {
        let target = Target::open(plan.name, &plan.pool).await?;
        ensure!(
            target.server >= manifest.server,
            "{} is on PostgreSQL {}, the backup is of PostgreSQL {}: restore it on that version or a later one",
            plan.name,
            target.server,
            manifest.server
        );
        targets.push(target);
    }
    let server = targets.iter().map(|target| target.server).max().unwrap_or(tools);
    let programs = Programs::find(tools.max(server)).await?;
    for (plan, target) in plans.iter().zip(&mut targets).filter(|(plan, _)| plan.from.is_some()) {
        if let Holds::Something = target.holds().await?
            && !wanted.replace
        {
            bail!(
                "{} is not empty: nothing was changed; --replace puts the backup in the place of what it holds",
                plan.name
            );
        }
    }
    for (plan, target) in plans.iter().zip(&mut targets).filter(|(plan, _)| plan.from.is_none()) {
        if let Some(Unknown::Newer(version) | Unknown::Other(version)) =
            manifest::unknown(&target.migrations().await?, plan.migrator)
        {
            bail!(
                "{} was left by another Nova, whose migration {version} this one ({}) does not have: restore with that release or a \
                 later one, or put a copy in its place with --keys",
                plan.name,
                env!("CARGO_PKG_VERSION")
            );
        }
    }
    target::mark_all(&mut targets).await?;
    for (plan, target) in plans.iter().zip(&mut targets) {
        let Some((dump, folder)) = plan.from else {
            println!("{:<16}stays as it is: who was forgotten since the backup stays forgotten", plan.name);
            continue;
        };
        target.clear().await?;
        let restored = programs.restore(&plan.pool.url, &dump.path(folder)).await;
        restored.with_context(|| format!("{} can't be restored; when the cause is gone, run it again", plan.name))?;
        target.note_whole().await?;
        println!("{:<16}restored", plan.name);
    }
    for plan in &plans {
        let migrated = pg::restoring::migrate(&plan.pool, plan.migrator).await;
        migrated.with_context(|| format!("{} can't be migrated", plan.name))?;
    }
    for target in &mut targets {
        target.analyze().await?; // or the first queries would be planned as if the tables were empty
    }
    let faults = after::finish(config, wanted.end_sessions, Clock::system().now()).await?;
    target::must_be_alone(&mut targets).await?;
    for target in targets {
        target.finish().await?;
    }
    after::tell(manifest, wanted.end_sessions);
    if !faults.is_empty() {
        bail!("it is restored, but {}", faults.join("; "));
    }
    println!("\neverything is in place: `nova serve` goes on from here");
    Ok(())
}

/// The copy of people's keys to restore; none if the database has them.
async fn choose_keys(
    pool: &PoolConfig,
    wanted: &Restore,
    manifest: &Manifest,
) -> anyhow::Result<Option<(PathBuf, Manifest)>> {
    let mut target = Target::open(KEYS_DATABASE, pool).await?;
    let has_keys = target.has_rows("user_keys").await?;
    let here = if has_keys { target.installation().await? } else { None };
    target.close().await?; // or it would be taken for somebody who uses the database
    let folder = match &wanted.keys {
        None if has_keys => {
            ensure!(
                manifest.goes_with(here.as_deref()),
                "the keys in {KEYS_DATABASE} are of another installation than the backup: nothing was changed. Restore into the \
                 databases of its own, or into empty ones, or name its keys with --keys"
            );
            return Ok(None);
        }
        None => newest_keys(&wanted.backup, manifest)?.with_context(|| {
            format!(
                "there are no people's keys: {KEYS_DATABASE} is empty and no copy of this installation lies beside the backup; \
                 name the newest one with --keys"
            )
        })?,
        Some(folder) => folder.clone(),
    };
    let keys = Manifest::read(&folder, Kind::Keys)?;
    ensure!(
        manifest.goes_with(keys.installation.as_deref()),
        "the keys in {} are of another installation than the backup: nothing was changed. Name a copy of its own with --keys",
        folder.display()
    );
    keys.verify_files(&folder)?;
    ensure!(
        keys.at >= manifest.at || wanted.allow_older_keys,
        "the keys in {} are older than the backup: who wrote for the first time in between could not be read. Name the newest \
         copy with --keys, or take these with --allow-older-keys",
        folder.display()
    );
    Ok(Some((folder, keys)))
}
