//! `nova backup`: all databases as they are at one moment, while everything goes on (docs/adr/0018).

pub mod manifest;
mod place;
pub mod point;
pub mod programs;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chassis::config::SecretName;
use chrono::{DateTime, Utc};
use clap::Args;
use clock::Clock;
use messaging_service::KEYS_DATABASE;
use sealing::{MasterKey, MasterKeys};
use tokio::signal::unix::{SignalKind, signal};

use crate::bus;
use crate::config::Config;
use manifest::{Bus, Come, Dump, FORMAT, Kind, Manifest};
use place::{Partial, Place};
use point::Point;
use programs::Programs;

/// The name that the databases know these commands by.
pub const TOOL: &str = "nova-backup";

/// What is backed up, and to where.
#[derive(Args)]
pub struct Backup {
    /// The folder that backups lie in, each in a folder of its own; made if it is not there.
    folder: PathBuf,
    /// The folder for people's keys, of which only the newest copy is kept (default: the same). Keep it apart from the backups.
    #[arg(long, value_name = "FOLDER")]
    keys: Option<PathBuf>,
    /// Put the master key into the backup as well: whoever has the backup can then read everything in it.
    #[arg(long)]
    with_master_key: bool,
}

/// Writes a backup.
///
/// # Errors
/// With a sentence that says what to do. Nothing is left then that looks like a backup.
pub async fn run(mut config: Config, wanted: Backup) -> anyhow::Result<()> {
    let managed = config.open_databases().await?;
    // Whoever gives up wants no half of a backup to stay, nor a pg_dump that goes on: both end when the work is dropped.
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let done = tokio::select! {
        done = back_up(&mut config, &wanted) => done,
        _ = term.recv() => Err(anyhow::anyhow!("stopped by SIGTERM: there is no backup of this run")),
        _ = int.recv() => Err(anyhow::anyhow!("stopped by SIGINT: there is no backup of this run")),
    };
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
    done
}

async fn back_up(config: &mut Config, wanted: &Backup) -> anyhow::Result<()> {
    let place = Place::open(&wanted.folder)?;
    let keys_place = match &wanted.keys {
        Some(folder) if !is_same(folder, &wanted.folder) => Some(Place::open(folder)?),
        _ => None,
    };
    let keys_place = keys_place.as_ref().unwrap_or(&place);
    let bus = if config.user.events.kafka.brokers.is_empty() { Bus::Log } else { Bus::Kafka };
    // Before the moment: what consumers do in between they may do twice, which they notice, but miss nothing.
    let consumers = if bus == Bus::Kafka { how_far(config).await } else { vec![] };
    let (point, programs) = {
        let point = Point::take(config.schemas(TOOL), Clock::system()).await?;
        let programs = Programs::find(point.server).await?;
        (point, programs)
    };
    let name = point.at.format("%Y%m%dT%H%M%S%.3fZ");
    let (data, keys) = (place.begin(&format!("nova-{name}"))?, keys_place.begin(&format!("nova-keys-{name}"))?);
    let (mut dumps, mut dumps_of_keys) = (vec![], vec![]);
    for snapshot in &point.snapshots {
        let (into, list) =
            if snapshot.name == KEYS_DATABASE { (&keys, &mut dumps_of_keys) } else { (&data, &mut dumps) };
        let file = into.file(&format!("{}.dump", snapshot.name))?;
        let dumped = programs.dump(&snapshot.url, &snapshot.id, &file).await;
        dumped.with_context(|| format!("{} can't be backed up to {}", snapshot.name, into.folder().display()))?;
        let (bytes, sha256) = place::settle(&file)?;
        println!("{:<16}{bytes:>12} bytes", snapshot.name);
        let (migrations, master_key) = (snapshot.migrations.clone(), snapshot.master_key.clone());
        list.push(Dump { name: snapshot.name.to_owned(), bytes, sha256, migrations, master_key });
    }
    let installation = point.snapshots.iter().find_map(|snapshot| snapshot.installation.clone());
    let (at, server, tools) = (point.at, point.server, programs.version().major);
    let manifest = |kind, consumers, databases| Manifest {
        format: FORMAT,
        nova: env!("CARGO_PKG_VERSION").to_owned(),
        kind,
        installation: installation.clone(),
        at,
        server,
        tools,
        bus,
        consumers,
        databases,
    };
    let masters: Vec<String> = point.snapshots.iter().filter_map(|snapshot| snapshot.master_key.clone()).collect();
    drop(point);
    if wanted.with_master_key {
        write_master_keys(config, &masters, &data)?;
    }
    data.write(manifest::FILE, manifest(Kind::Data, consumers, dumps).to_json()?.as_bytes())?;
    keys.write(manifest::FILE, manifest(Kind::Keys, vec![], dumps_of_keys).to_json()?.as_bytes())?;
    // Keys first: at no moment is there a backup without keys that are as new.
    let keys = keys.finish()?;
    let data = data.finish()?;
    let foreign = keys_place.keep_only(&keys, installation.as_deref())?;
    tell(config, at, &data, &keys, (!wanted.with_master_key).then_some(&masters[..]));
    if foreign.is_empty() {
        return Ok(());
    }
    let foreign: Vec<_> = foreign.iter().map(|path| path.display().to_string()).collect();
    bail!(
        "the backup is whole, but these copies of people's keys are not known to be of this installation and were kept: {}. Give each \
         installation a folder of its own with --keys; a copy of this one must be removed by hand, it brings the forgotten back",
        foreign.join(", ")
    )
}

/// How far consumers have come in Kafka. A backup is made without it if Kafka is away: the time has to do then.
async fn how_far(config: &Config) -> Vec<Come> {
    match bus::how_far(config).await {
        Ok(come) => {
            let of = |bus::Come { consumer, place }: bus::Come| Come {
                consumer: consumer.to_owned(),
                topic: place.topic.name().to_owned(),
                partition: place.partition,
                next: place.next.unwrap_or(place.first),
            };
            come.into_iter().map(of).collect()
        }
        Err(error) => {
            eprintln!("how far consumers have come in Kafka can't be read, so the backup does not say it: {error:#}");
            vec![]
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    whole(one) == whole(other)
}

/// The master keys of these names, each in a file.
fn write_master_keys(config: &Config, names: &[String], into: &Partial) -> anyhow::Result<()> {
    let auth = std::iter::once(&config.auth.master_key).chain(&config.auth.old_master_keys);
    let messaging = std::iter::once(&config.messaging.master_key).chain(&config.messaging.old_master_keys);
    let known: Vec<_> = auth.chain(messaging).collect();
    let mut written: Vec<&String> = vec![];
    for name in names.iter().filter(|name| !name.is_empty()) {
        if written.contains(&name) {
            continue;
        }
        let text = known.iter().find(|text| MasterKey::from_base64(text.expose()).is_ok_and(|key| key.name() == *name));
        let Some(text) = text else {
            bail!("the master key {name} is not configured here: set it, or leave out --with-master-key")
        };
        into.write(&format!("master-{name}.key"), text.expose().as_bytes())?;
        written.push(name);
    }
    Ok(())
}

/// Says where everything is, and what is not in it.
fn tell(config: &Config, at: DateTime<Utc>, data: &Path, keys: &Path, masters: Option<&[String]>) {
    println!("\nbackup          {}", data.display());
    println!("people's keys   {}", keys.display());
    println!("as of           {}", clock::rfc3339(at));
    println!(
        "\nKeep of people's keys only this newest copy, apart from the backups: with it, all backups can be restored, and"
    );
    println!("who deletes their account is forgotten in all of them. An older copy would bring the forgotten back.");
    println!("\nNot in it, and needed as well: the configuration (environment, TOML, certificates).");
    match masters {
        Some(masters) => {
            let mut names: Vec<_> = masters.iter().collect();
            names.dedup();
            let names: Vec<_> = names.into_iter().map(String::as_str).collect();
            let file = config.data.secret_path(SecretName::MasterKey);
            let place = if file.exists() { format!(", {}", file.display()) } else { String::new() };
            println!("Nor is the master key ({}{place}): without it nobody can read anything.", names.join(", "));
        }
        None => println!("The master key is in it, as you asked: whoever has it can read everything in it."),
    }
}

/// The newest copy of people's keys that lies beside a backup and is not of another installation.
///
/// # Errors
/// If the folder, or a copy's manifest, can't be read.
pub fn newest_keys(backup: &Path, manifest: &Manifest) -> anyhow::Result<Option<PathBuf>> {
    let beside = backup.canonicalize()?;
    let Some(folder) = beside.parent() else { return Ok(None) };
    let mut copies = place::entries(folder)?;
    copies.retain(|(name, _)| name.starts_with(place::KEYS));
    copies.sort(); // the time is in the name
    while let Some((_, path)) = copies.pop() {
        if manifest.goes_with(Manifest::read(&path, Kind::Keys)?.installation.as_deref()) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The names of the master keys that are configured.
///
/// # Errors
/// If one is no key.
pub fn configured_master_keys(config: &Config) -> anyhow::Result<Vec<String>> {
    let names = |keys: MasterKeys| keys.into_all().iter().map(MasterKey::name).collect::<Vec<_>>();
    let mut all = names(config.auth.master_keys().context("auth.master_key")?);
    all.extend(names(config.messaging.master_keys().context("messaging.master_key")?));
    Ok(all)
}
