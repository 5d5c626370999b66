//! The folder that holds one managed PostgreSQL, and the lock that lets one process at a time supervise it.
//!
//! `data` (the cluster), `run` (the socket), `postgres.log`, `password` (TCP only), `nova.lock` and `watchdog.lock`.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::process::fnv1a;
use crate::user::RunAs;
use crate::{Error, cluster};

/// Names the process that supervises the folder, and tells that the folder is ours.
const LOCK: &str = "nova.lock";

/// Socket addresses hold 104 bytes on some systems; longer paths get a folder under /tmp.
const LONGEST_SOCKET_PATH: usize = 100;

/// A log of an earlier run that is larger than this is put aside at the start.
const LARGEST_LOG: u64 = 16 * 1024 * 1024;

/// How much of the log is looked at for its last lines.
const LONGEST_TAIL: u64 = 16 * 1024;

/// The folder, held by us until this is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    root: PathBuf,
    run: PathBuf,
    pub(crate) user: RunAs,
    /// The major version that made the data folder; nothing if there is none yet.
    pub(crate) made_by: Option<u32>,
    _lock: File,
}

impl Home {
    /// Makes the folder where needed, gives it to the user that runs PostgreSQL, and locks it.
    pub(crate) async fn open(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(Error::folder("find", path))?;
        let user = RunAs::for_data(&path.join(cluster::DATA))?;
        user.must_enter(path.parent().unwrap_or(&path), &path).await?; // before anything is made
        if is_foreign(&path)? {
            return Err(Error::Foreign(path));
        }
        cluster::major(&path.join(cluster::DATA))?; // refuses a stranger's data folder
        make_private(&path)?;
        let root = path.canonicalize().map_err(Error::folder("enter", &path))?;
        let lock = lock(&root, &user)?;
        let made_by = cluster::major(&root.join(cluster::DATA))?;
        own(&root, &user)?;
        user.must_enter(&root, &path).await?; // a strict umask can close the folders just made
        user.hand_over_tree(&root.join(cluster::DATA))?;
        let run = run_folder(&root, &user)?;
        Ok(Self { root, run, user, made_by, _lock: lock })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join(cluster::DATA)
    }

    /// Holds the socket.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// Opens the log for appending, and tells where this run's lines will begin.
    pub(crate) fn open_log(&self) -> Result<(File, u64), Error> {
        let path = self.log();
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.len() > LARGEST_LOG) {
            fs::rename(&path, path.with_extension("log.1")).map_err(Error::folder("put aside", &path))?;
        }
        let file = open_private(&path, OpenOptions::new().append(true)).map_err(Error::folder("write to", &path))?;
        self.user.hand_over(&path)?;
        let begins = file.metadata().map_err(Error::folder("read", &path))?.len();
        Ok((file, begins))
    }

    /// The last lines of the log after `begins`, joined to one.
    pub(crate) fn log_tail(&self, begins: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut log) = File::open(self.log()) {
            let length = log.metadata().map_or(0, |meta| meta.len());
            // What cannot be read is left out: this is for an error that is reported anyway.
            let _ = log.seek(SeekFrom::Start(begins.max(length.saturating_sub(LONGEST_TAIL))));
            let _ = log.read_to_end(&mut bytes);
        }
        last_lines(&String::from_utf8_lossy(&bytes))
    }

    /// Opens the lock that the watchdog of a running PostgreSQL holds.
    pub(crate) fn open_watchdog_lock(&self) -> Result<File, Error> {
        let path = self.root.join("watchdog.lock");
        let file = open_private(&path, OpenOptions::new().write(true)).map_err(Error::folder("write to", &path))?;
        self.user.hand_over(&path)?;
        Ok(file)
    }

    /// The password for TCP, made once.
    pub(crate) fn password(&self) -> Result<String, Error> {
        let path = self.root.join("password");
        let known = fs::read_to_string(&path).map(|text| text.trim().to_owned()).unwrap_or_default();
        if !known.is_empty() {
            return Ok(known);
        }
        let mut bytes = [0; 24];
        let random = Path::new("/dev/urandom");
        File::open(random).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::folder("read", random))?;
        let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        open_private(&path, OpenOptions::new().write(true).truncate(true))
            .and_then(|mut file| file.write_all(password.as_bytes()))
            .map_err(Error::folder("write to", &path))?;
        self.user.hand_over(&path)?;
        Ok(password)
    }

    /// Removes a socket folder under /tmp, which nobody would otherwise do.
    pub(crate) fn leave(&self) {
        if !self.run.starts_with(&self.root) {
            // Best effort: the next start takes the same folder again.
            let _ = fs::remove_dir(&self.run);
        }
    }
}

/// The last few lines of a program's output, as one line.
fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "(nothing)".to_owned();
    }
    lines[lines.len().saturating_sub(6)..].join(" | ")
}

/// Somebody else's folder: not empty, and nothing in it is ours.
fn is_foreign(path: &Path) -> Result<bool, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::folder("read", path)(error)),
    };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    Ok(!names.is_empty() && !names.iter().any(|name| name == LOCK || name == cluster::DATA))
}

fn make_private(path: &Path) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::folder("make", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::folder("make", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a folder private to the user, as far as it is ours to change.
fn own(path: &Path, user: &RunAs) -> Result<(), Error> {
    user.hand_over(path)?;
    let meta = fs::metadata(path).map_err(Error::folder("read", path))?;
    if meta.uid() == user.uid() && meta.mode() & 0o777 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(Error::folder("protect", path))?;
    }
    Ok(())
}

/// Opens or makes a file of mode 0600. Never through a link: as root we write into a folder that somebody else owns.
fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let no_links = i32::try_from(OFlags::NOFOLLOW.bits()).expect("open flags fit an int");
    options.create(true).mode(0o600).custom_flags(no_links).open(path)
}

/// Takes the folder for us. The kernel gives the lock back however this process ends.
fn lock(root: &Path, user: &RunAs) -> Result<File, Error> {
    let path = root.join(LOCK);
    let mut options = OpenOptions::new();
    let mut file = open_private(&path, options.read(true).write(true)).map_err(Error::folder("write to", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The pid only makes the sentence better.
            let _ = file.read_to_string(&mut holder);
            return Err(Error::InUse { home: root.to_owned(), pid: holder.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(Error::folder("lock", &path)(error)),
    }
    user.hand_over(&path)?;
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(Error::folder("write to", &path))?;
    Ok(file)
}

/// `run` in the folder, or where that makes too long a socket path, a folder under /tmp that only the user can enter.
fn run_folder(root: &Path, user: &RunAs) -> Result<PathBuf, Error> {
    let near = root.join("run");
    let longest = near.join(".s.PGSQL.65535");
    if longest.as_os_str().len() <= LONGEST_SOCKET_PATH {
        make_private(&near)?;
        own(&near, user)?;
        return Ok(near);
    }
    let far = PathBuf::from(format!("/tmp/nova-{}-{:016x}", user.uid(), fnv1a(root.as_os_str().as_encoded_bytes())));
    make_private(&far)?;
    let meta = fs::symlink_metadata(&far).map_err(Error::folder("read", &far))?;
    let us = rustix::process::geteuid().as_raw();
    if !meta.is_dir() || (meta.uid() != user.uid() && meta.uid() != us) {
        return Err(Error::Foreign(far));
    }
    own(&far, user)?;
    Ok(far)
}
