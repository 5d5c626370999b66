//! The folder that backups lie in. One that is being written has a hidden name and no manifest; it gets its own name when
//! everything in it is on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::manifest::{self, Kind, Manifest};

const LOCK: &str = ".nova-backup.lock";
const PARTIAL: (&str, &str) = (".nova-", ".partial");
/// What copies of people's keys are called.
pub const KEYS: &str = "nova-keys-";

/// The folder, which no other backup writes to until this is dropped.
pub struct Place {
    path: PathBuf,
    _lock: File,
}

/// A backup that is being written; it is removed unless it is finished.
pub struct Partial {
    path: PathBuf,
    becomes: PathBuf,
    parent: PathBuf,
    is_finished: bool,
}

impl Place {
    /// Takes the folder, makes it if it is not there, and removes what a backup left that was cut off.
    ///
    /// # Errors
    /// If it can't be written, or another backup is being written to it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let unusable = || format!("backups can't be written to {}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(unusable)?;
        let path = path.canonicalize().with_context(unusable)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
        let lock = lock.with_context(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another backup is being written to {}: wait for it", path.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(unusable),
        }
        for (name, path) in entries(&path).with_context(unusable)? {
            if name.starts_with(PARTIAL.0) && name.ends_with(PARTIAL.1) {
                fs::remove_dir_all(&path).with_context(unusable)?;
                println!("removed {}, which was cut off while it was written", path.display());
            }
        }
        Ok(Self { path, _lock: lock })
    }

    /// Begins a backup that will be called `name`.
    ///
    /// # Errors
    /// If the folder can't be written.
    pub fn begin(&self, name: &str) -> anyhow::Result<Partial> {
        let path = self.path.join(format!("{}{name}{}", PARTIAL.0, PARTIAL.1));
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("{} can't be made", path.display()))?;
        let becomes = self.path.join(name);
        Ok(Partial { path, becomes, parent: self.path.clone(), is_finished: false })
    }

    /// Removes every other copy of an installation's people's keys. The answer are those that stay, since they are not known to be
    /// of this installation: they may be the only ones that another has.
    ///
    /// # Errors
    /// If one can't be removed.
    pub fn keep_only(&self, keys: &Path, installation: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
        let mut stay = vec![];
        for (name, path) in entries(&self.path)? {
            if name.starts_with(KEYS) && path != keys {
                let of = Manifest::read(&path, Kind::Keys).ok().and_then(|manifest| manifest.installation);
                if of.is_none() || of.as_deref() != installation {
                    stay.push(path);
                    continue;
                }
                fs::remove_dir_all(&path).with_context(|| {
                    format!(
                        "{} can't be removed: remove it by hand, an older copy brings the forgotten back",
                        path.display()
                    )
                })?;
            }
        }
        sync(&self.path)?;
        Ok(stay)
    }
}

/// What lies in a folder: names and paths.
///
/// # Errors
/// If it can't be read.
pub fn entries(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}

impl Partial {
    /// Where it is as yet.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// An empty file for its owner alone.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn file(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        private(&path).with_context(|| format!("{} can't be made", path.display()))?;
        Ok(path)
    }

    /// A whole file, for its owner alone.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path.join(name);
        let written = private(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.with_context(|| format!("{} can't be written", path.display()))
    }

    /// Gives it its name, now that everything is on the disk.
    ///
    /// # Errors
    /// If that fails; it is removed then.
    pub fn finish(mut self) -> anyhow::Result<PathBuf> {
        sync(&self.path)?;
        fs::rename(&self.path, &self.becomes)
            .with_context(|| format!("the backup can't be named {}", self.becomes.display()))?;
        self.is_finished = true;
        sync(&self.parent)?;
        Ok(self.becomes.clone())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            eprintln!("{} can't be removed ({error}): the next backup tries again", self.path.display());
        }
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sync(folder: &Path) -> anyhow::Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("{} can't be written to the disk", folder.display()))
}

/// Sees a written file to the disk, for its owner alone; its length and SHA-256 are those of what was read back.
///
/// # Errors
/// If it can't be read or written.
pub fn settle(file: &Path) -> anyhow::Result<(u64, String)> {
    let settled = File::open(file).and_then(|opened| {
        opened.set_permissions(Permissions::from_mode(0o600))?;
        opened.sync_all()?;
        manifest::measure(file)
    });
    settled.with_context(|| format!("{} can't be written to the disk", file.display()))
}
