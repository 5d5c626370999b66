//! What a backup says of itself: `manifest.json`, written last, so that a folder without one is no backup.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest::{self, SHA256};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::migrate::Migrator;

/// No manifest is longer.
const LONGEST: u64 = 1024 * 1024;

/// Its name in the folder.
pub const FILE: &str = "manifest.json";
/// The form that this release writes; it reads this and all before.
pub const FORMAT: u32 = 1;

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything but people's keys.
    Data,
    /// People's keys.
    Keys,
}

/// What the services told each other over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// The log in PostgreSQL, which is in the backup.
    Log,
    /// Kafka, which is not.
    Kafka,
}

/// How far a consumer had come in a partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Come {
    /// Which consumer.
    pub consumer: String,
    /// Which topic.
    pub topic: String,
    /// Which part of it.
    pub partition: i32,
    /// The offset of the event that it had yet to act on, everything before being done.
    pub next: i64,
}

/// A migration that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// Of its text, as sqlx makes it, in hex.
    pub checksum: String,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// Its name as Nova knows it; the file is called so.
    pub name: String,
    /// How long the file is.
    pub bytes: u64,
    /// Of the file, in hex.
    pub sha256: String,
    /// The schema's state.
    pub migrations: Vec<Migration>,
    /// The name of the master key that has wrapped its root key, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key: Option<String>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the manifest and what it describes.
    pub format: u32,
    /// The release that wrote it.
    pub nova: String,
    /// What the folder holds.
    pub kind: Kind,
    /// Whose it is, as `nova_keys` says; nothing if an earlier release wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// The moment that it shows: all that was acknowledged before is in it.
    pub at: DateTime<Utc>,
    /// The server's major version.
    pub server: u32,
    /// The major version of pg_dump.
    pub tools: u32,
    /// What events went over.
    pub bus: Bus,
    /// How far consumers had come in Kafka, which no database knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Come>,
    /// What there is.
    pub databases: Vec<Dump>,
}

/// Refuses what could not be read to its end, such as a pipe. What is not there is for the caller to tell.
fn must_be_a_file(path: &Path, at_most: Option<u64>) -> anyhow::Result<()> {
    if let Ok(found) = fs::metadata(path) {
        ensure!(found.is_file(), "{} is no file: take another backup", path.display());
        let is_short = at_most.is_none_or(|most| found.len() <= most);
        ensure!(is_short, "{} is damaged: take another backup", path.display());
    }
    Ok(())
}

impl Manifest {
    /// As it is written.
    ///
    /// # Errors
    /// If it has no JSON form.
    pub fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the manifest of the backup in `folder`, which must be of this kind.
    ///
    /// # Errors
    /// If it is no backup, no whole one, of the other kind, or of a newer release.
    pub fn read(folder: &Path, kind: Kind) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        must_be_a_file(&path, Some(LONGEST))?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => bail!(
                "{} has no {FILE}: it is no backup of Nova, or one that was cut off while it was written",
                folder.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
        };
        let damaged = || format!("{} is damaged: take another backup", path.display());
        let value: Value = serde_json::from_str(&text).with_context(damaged)?;
        let format = value.get("format").and_then(Value::as_u64).with_context(damaged)?;
        if format > u64::from(FORMAT) {
            let by = value.get("nova").and_then(Value::as_str).unwrap_or("unknown");
            bail!("{} was made by a newer Nova ({by}): restore it with that release or a later one", folder.display());
        }
        let manifest: Self = serde_json::from_value(value).with_context(damaged)?;
        ensure!(
            manifest.kind == kind,
            match kind {
                Kind::Data =>
                    "{} holds people's keys, not a backup: name the folder nova-… and give this one with --keys",
                Kind::Keys => "{} is a backup, not people's keys: name the folder nova-keys-…",
            }
            .replace("{}", &folder.display().to_string())
        );
        Ok(manifest)
    }

    /// Whether keys of an installation can be those of this backup.
    pub fn goes_with(&self, keys_of: Option<&str>) -> bool {
        self.installation.is_none() || self.installation.as_deref() == keys_of
    }

    /// A database's entry.
    pub fn dump(&self, name: &str) -> Option<&Dump> {
        self.databases.iter().find(|dump| dump.name == name)
    }

    /// Holds every file against its length and checksum.
    ///
    /// # Errors
    /// If one is missing or damaged.
    pub fn verify_files(&self, folder: &Path) -> anyhow::Result<()> {
        for dump in &self.databases {
            let path = dump.path(folder);
            must_be_a_file(&path, None)?;
            let (bytes, sha256) = measure(&path).with_context(|| format!("{} can't be read", path.display()))?;
            ensure!(
                bytes == dump.bytes && sha256 == dump.sha256,
                "{} is damaged ({bytes} bytes with SHA-256 {sha256} instead of {} with {}): take another backup",
                path.display(),
                dump.bytes,
                dump.sha256
            );
        }
        Ok(())
    }

    /// Refuses what this release does not know: its schema would be newer than the program.
    ///
    /// # Errors
    /// If a migration is unknown or another than that of this release.
    pub fn must_be_known(&self, dump: &Dump, migrator: &Migrator) -> anyhow::Result<()> {
        let what = if self.kind == Kind::Keys { "copy of people's keys" } else { "backup" };
        match unknown(&dump.migrations, migrator) {
            None => Ok(()),
            Some(Unknown::Newer(version)) => bail!(
                "the {what} was made by a newer Nova ({}), whose migration {version} of {} this one ({}) does not know: restore it \
                 with that release or a later one",
                self.nova,
                dump.name,
                env!("CARGO_PKG_VERSION")
            ),
            Some(Unknown::Other(version)) => bail!(
                "migration {version} of {} in the {what} is not the one that this release has: restore it with the build that made \
                 it (Nova {})",
                dump.name,
                self.nova
            ),
        }
    }
}

/// A migration that this release does not have, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// There is none of this number.
    Newer(i64),
    /// The one of this number is another.
    Other(i64),
}

/// The first of the migrations that were in force which this release does not have.
pub fn unknown(in_force: &[Migration], migrator: &Migrator) -> Option<Unknown> {
    in_force.iter().find_map(|applied| match migrator.iter().find(|migration| migration.version == applied.version) {
        None => Some(Unknown::Newer(applied.version)),
        Some(known) if hex(&known.checksum) != applied.checksum => Some(Unknown::Other(applied.version)),
        Some(_) => None,
    })
}

impl Dump {
    /// Its file in a backup's folder. The name is Nova's own, never a path: see [`Manifest::dump`].
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.dump", self.name))
    }
}

/// The length of a file and its SHA-256.
///
/// # Errors
/// If it can't be read.
pub fn measure(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut context, mut bytes) = (File::open(path)?, digest::Context::new(&SHA256), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hex(context.finish().as_ref()))),
            read => {
                context.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
