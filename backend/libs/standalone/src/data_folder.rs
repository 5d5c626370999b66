//! The folder that holds what a laptop install must keep: the database and the secrets.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chassis::config::{Secret, SecretName};
use chrono::{DateTime, Utc};
use sealing::MasterKey;

/// Nova's data folder.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder at `path`, or where the machine keeps such things; it is made when something is put into it.
    ///
    /// # Errors
    /// If none is named and the environment names no place either.
    pub fn at(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) => std::path::absolute(path)?,
            None => pgboot::default_data_dir()?,
        };
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the managed PostgreSQL lives in it.
    pub fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    /// The secret of this name, made at the first time: a file that only its owner reads.
    ///
    /// # Errors
    /// With a sentence that says what to do if the folder can't be used.
    pub fn secret(&self, name: SecretName) -> anyhow::Result<Secret> {
        self.secret_file(file_name(name))
    }

    /// Where the secret of this name is, or will be.
    pub fn secret_path(&self, name: SecretName) -> PathBuf {
        self.0.join("secrets").join(file_name(name))
    }

    /// The secret in the file `file_name` of the secrets folder.
    ///
    /// # Errors
    /// As [`Self::secret`].
    pub fn secret_file(&self, file_name: &str) -> anyhow::Result<Secret> {
        let folder = self.0.join("secrets");
        DirBuilder::new().recursive(true).mode(0o755).create(&self.0).with_context(|| self.advice("can't be made"))?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| self.advice("can't be written"));
            }
            _ => {}
        }
        let path = folder.join(file_name);
        // Written aside and linked into place, so that a program started at the same moment sees all of it or nothing.
        if !path.exists() {
            let aside = folder.join(format!(".{file_name}.{}", std::process::id()));
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)
                .with_context(|| self.advice("can't be written"))?;
            file.write_all(MasterKey::generate_base64().as_bytes())?;
            file.sync_all()?;
            match fs::hard_link(&aside, &path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(error).context("a new secret can't be put into place");
                }
                Ok(()) => tracing::info!(
                    "made a new secret in {}: keep a copy in another place than your backups",
                    path.display()
                ),
                Err(_) => {}
            }
            fs::remove_file(&aside)?;
        }
        let text = fs::read_to_string(&path).with_context(|| self.advice("can't be read"))?;
        if text.trim().is_empty() {
            bail!("{} is empty: put the secret back from a backup", path.display());
        }
        Ok(Secret::from(text.trim()))
    }

    /// The master key that takes over, if a rotation is under way or was cut off.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn next_master_key(&self) -> anyhow::Result<Option<Secret>> {
        match fs::read_to_string(self.next_master_key_path()) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::from(text.trim()))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| self.advice("can't be read")),
        }
    }

    /// The same, made if there is none. From now on each start tries it beside the present one.
    ///
    /// # Errors
    /// As [`Self::secret`].
    pub fn make_next_master_key(&self) -> anyhow::Result<Secret> {
        self.secret_file(NEXT_MASTER_KEY)
    }

    /// Puts the next master key in the place of the present one, which is kept beside it: backups from before need it.
    ///
    /// # Errors
    /// If the files can't be moved.
    pub fn adopt_next_master_key(&self, now: DateTime<Utc>) -> anyhow::Result<PathBuf> {
        let present = self.secret_path(SecretName::MasterKey);
        // To the microsecond: a second rotation within one second keeps a key of its own, and overwrites none.
        let kept = present.with_file_name(format!("master.key.until-{}", now.format("%Y%m%dT%H%M%S%.6fZ")));
        // A link first: at no moment is there no master key.
        fs::hard_link(&present, &kept).with_context(|| self.advice("can't be written"))?;
        fs::rename(self.next_master_key_path(), &present).with_context(|| self.advice("can't be written"))?;
        Ok(kept)
    }

    fn next_master_key_path(&self) -> PathBuf {
        self.0.join("secrets").join(NEXT_MASTER_KEY)
    }

    fn advice(&self, problem: &str) -> String {
        format!(
            "the data folder {} {problem}: run nova as its owner, or set NOVA_DATA_DIR to another folder",
            self.0.display()
        )
    }
}

const NEXT_MASTER_KEY: &str = "master.key.next";

fn file_name(name: SecretName) -> &'static str {
    match name {
        SecretName::MasterKey => "master.key",
        SecretName::ServiceSecret => "service.secret",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let path = std::env::temp_dir().join(format!("nova-data-folder-{}", std::process::id()));
        let folder = DataFolder::at(Some(&path)).expect("a path");
        let first = folder.secret(SecretName::MasterKey).expect("made");
        assert_eq!(folder.secret(SecretName::MasterKey).expect("read").expose(), first.expose());
        assert_ne!(folder.secret(SecretName::ServiceSecret).expect("made").expose(), first.expose());
        MasterKey::from_base64(first.expose()).expect("a master key");
        let mode = fs::metadata(path.join("secrets/master.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        assert!(folder.next_master_key().expect("read").is_none());
        let next = folder.make_next_master_key().expect("made");
        assert_eq!(folder.make_next_master_key().expect("the same").expose(), next.expose());
        assert_eq!(folder.secret(SecretName::MasterKey).expect("read").expose(), first.expose());
        let kept = folder.adopt_next_master_key(DateTime::UNIX_EPOCH).expect("adopted");
        assert_eq!(fs::read_to_string(kept).expect("kept"), first.expose());
        assert_eq!(folder.secret(SecretName::MasterKey).expect("read").expose(), next.expose());
        assert!(folder.next_master_key().expect("read").is_none());

        // Another rotation within the same second.
        let last = folder.make_next_master_key().expect("made");
        let soon = DateTime::UNIX_EPOCH + TimeDelta::microseconds(1);
        let kept = folder.adopt_next_master_key(soon).expect("adopted");
        assert_eq!(fs::read_to_string(kept).expect("kept"), next.expose());
        assert_eq!(folder.secret(SecretName::MasterKey).expect("read").expose(), last.expose());
        fs::remove_dir_all(path).expect("removed");
    }
}
