//! Who PostgreSQL runs as: its programs refuse root, so root hands the folder to somebody else.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use tokio::process::Command;

use crate::Error;

/// All that a PostgreSQL program gets of our environment: the rest may hold secrets.
const ENVIRONMENT: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The user that PostgreSQL runs as.
#[derive(Debug, Clone)]
pub(crate) struct RunAs {
    name: String,
    uid: u32,
    gid: u32,
    /// We are root and this is somebody else.
    switch: bool,
}

impl RunAs {
    /// Ourselves; as root the owner of an existing data folder, else `postgres`, else `nobody`.
    pub(crate) fn for_data(data: &Path) -> Result<Self, Error> {
        let me = rustix::process::geteuid().as_raw();
        let owner = fs::metadata(data).ok().map(|meta| (meta.uid(), meta.gid()));
        if me != 0 {
            let user = Self { name: name_of(me), uid: me, gid: rustix::process::getegid().as_raw(), switch: false };
            return match owner {
                Some((uid, _)) if uid != me => {
                    Err(Error::Owner { path: data.to_owned(), owner: name_of(uid), user: user.name })
                }
                _ => Ok(user),
            };
        }
        if let Some((uid, gid)) = owner
            && uid != 0
        {
            return Ok(Self { name: name_of(uid), uid, gid, switch: true });
        }
        let accounts = accounts();
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|wanted| accounts.iter().find(|(name, ..)| name == wanted))
            .map(|(name, uid, gid)| Self { name: name.clone(), uid: *uid, gid: *gid, switch: true })
            .ok_or(Error::NoUser)
    }

    /// The user's number.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Prepares `program` to run as this user, in its own process group so that Ctrl-C reaches Nova alone.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null()).process_group(0).current_dir("/");
        command.envs(ENVIRONMENT.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.env("LC_ALL", "C"); // messages that can be told apart, and macOS wants a valid one
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives one file or folder to this user.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid)).map_err(Error::folder("give away", path))
    }

    /// Gives a folder and all that it holds to this user, if it belongs to root (restored from a backup, for example).
    pub(crate) fn hand_over_tree(&self, folder: &Path) -> Result<(), Error> {
        let read = Error::folder("read", folder);
        let meta = match fs::metadata(folder) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(read(error)),
        };
        if !self.switch || meta.uid() != 0 {
            return Ok(());
        }
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            self.hand_over(&folder)?;
            for entry in fs::read_dir(&folder).map_err(Error::folder("read", &folder))? {
                let entry = entry.map_err(Error::folder("read", &folder))?;
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => self.hand_over(&entry.path())?,
                }
            }
        }
        Ok(())
    }

    /// Fails when this user cannot enter `folder` or one above it, as with anything under /root, to get to `home`.
    pub(crate) async fn must_enter(&self, folder: &Path, home: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        let mut way: Vec<_> = folder.ancestors().filter(|folder| folder.exists()).collect();
        way.reverse();
        let mut command = self.command("/bin/sh");
        command.args(["-c", r#"for d do [ -x "$d" ] || { printf %s "$d"; exit 1; }; done"#, "sh"]).args(way);
        let output =
            command.output().await.map_err(|source| Error::Spawn { program: PathBuf::from("/bin/sh"), source })?;
        if output.status.success() {
            return Ok(());
        }
        let blocked = PathBuf::from(String::from_utf8_lossy(&output.stdout).into_owned());
        Err(Error::CannotEnter { user: self.name.clone(), blocked, home: home.to_owned() })
    }
}

/// The accounts of this machine: name, user and group number.
fn accounts() -> Vec<(String, u32, u32)> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .collect()
}

fn name_of(uid: u32) -> String {
    let known = accounts().into_iter().find(|(_, known, _)| *known == uid);
    known.map_or_else(|| format!("number {uid}"), |(name, ..)| name)
}
