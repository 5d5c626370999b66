//! Finds the PostgreSQL server programs: `initdb` and `postgres`, version 14 or later.
//!
//! A folder that was named is taken or refused, never replaced by another. Otherwise the programs that made the
//! existing data folder win; for a new one the highest version of the machine, then of Nova's cache.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use crate::user::RunAs;
use crate::{Error, folders};

/// The oldest major version that Nova runs on.
pub(crate) const MINIMUM: u32 = 14;

/// Folders that hold one folder a version, and where the programs are below that.
const PLACES: [(&str, &str); 7] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"), // /usr/pgsql-17
    ("/usr/local", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// A PostgreSQL version, such as 17.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Data folders of different major versions do not mix.
    pub major: u32,
    /// Bug fixes within a major version.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads what `postgres --version` prints: `postgres (PostgreSQL) 15.14 (Debian …)`, `… 18beta1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let version = text.split_once("(PostgreSQL) ")?.1;
        let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        let minor = version.split_once('.').and_then(|(_, minor)| number(minor)).unwrap_or(0);
        Some(Self { major: number(version)?, minor })
    }
}

/// Server programs that this user can run.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) bindir: PathBuf,
    pub(crate) version: Version,
}

impl Programs {
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.bindir.join(program)
    }

    /// Finds the programs for the data folder `data`, which `existing` major version made.
    pub(crate) async fn find(
        named: Option<&Path>,
        data: &Path,
        existing: Option<u32>,
        user: &RunAs,
    ) -> Result<Self, Error> {
        let named = named.map(Path::to_owned).or_else(|| env::var_os("NOVA_PG_BINDIR").map(PathBuf::from));
        if let Some(bindir) = named.filter(|bindir| !bindir.as_os_str().is_empty()) {
            return match probe(&bindir, user).await {
                Ok(version) => Self::matching(&[(version, bindir)], data, existing),
                Err(reason) => Err(Error::Programs { bindir, reason }),
            };
        }
        let mut unusable = Vec::new();
        let mut usable = Vec::new();
        for group in [on_this_machine().await, in_our_cache()] {
            for bindir in group {
                match probe(&bindir, user).await {
                    Ok(version) => usable.push((version, bindir)),
                    Err(reason) => unusable.push(format!("{}: {reason}", bindir.display())),
                }
            }
            // The machine's own programs, however old, before those that were fetched.
            if usable.iter().any(|(version, _)| existing.is_none_or(|major| major == version.major)) {
                break;
            }
        }
        if usable.is_empty() && existing.is_none() {
            let unusable =
                if unusable.is_empty() { String::new() } else { format!(" (not usable: {})", unusable.join("; ")) };
            return Err(Error::NotFound { looked: looked(), unusable });
        }
        Self::matching(&usable, data, existing)
    }

    /// The highest version, unless an existing folder needs one in particular.
    fn matching(found: &[(Version, PathBuf)], data: &Path, existing: Option<u32>) -> Result<Self, Error> {
        let suitable = found.iter().filter(|(version, _)| existing.is_none_or(|major| major == version.major));
        match (suitable.rev().max_by_key(|(version, _)| *version), existing) {
            (Some((version, bindir)), _) => Ok(Self { bindir: bindir.clone(), version: *version }),
            (None, folder) => Err(Error::OtherVersion {
                data: data.to_owned(),
                folder: folder.unwrap_or(0),
                found: Error::found_programs(found),
            }),
        }
    }
}

/// Runs `postgres --version` as the user that would run it for real.
async fn probe(bindir: &Path, user: &RunAs) -> Result<Version, String> {
    if !has_programs(bindir) {
        return Err("it does not hold both initdb and postgres".to_owned());
    }
    let mut command = user.command(bindir.join("postgres"));
    let output = command.arg("--version").stderr(Stdio::null()).output().await;
    let output = output.map_err(|error| format!("postgres cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match Version::parse(&text) {
        Some(version) if version.major >= MINIMUM => Ok(version),
        Some(version) => Err(format!("version {version} is too old")),
        None => Err(format!("postgres --version gave no version ({})", output.status)),
    }
}

/// What a folder needs to run a server.
const SERVER: [&str; 2] = ["initdb", "postgres"];

fn has_programs(bindir: &Path) -> bool {
    holds(bindir, &SERVER)
}

fn holds(bindir: &Path, programs: &[&str]) -> bool {
    programs.iter().all(|program| bindir.join(program).is_file())
}

/// Folders with these programs: the one that `NOVA_PG_BINDIR` names, else those of the machine, then of Nova's cache.
pub(crate) async fn folders_with(programs: &[&str]) -> Vec<PathBuf> {
    match env::var_os("NOVA_PG_BINDIR").map(PathBuf::from).filter(|named| !named.as_os_str().is_empty()) {
        Some(named) => each_once(vec![named], programs),
        None => {
            let (mut folders, cached) = (candidates().await, cached());
            folders.extend(cached);
            each_once(folders, programs)
        }
    }
}

/// Program folders of the machine, each once, in the order of preference for equal versions.
async fn on_this_machine() -> Vec<PathBuf> {
    each_once(candidates().await, &SERVER)
}

async fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let pg_config = tokio::process::Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output();
    if let Ok(output) = pg_config.await {
        found.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    found.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()).filter(|folder| folder.is_absolute()));
    for (root, below) in PLACES {
        let named_for_postgres = |name: &OsString| {
            let name = name.to_string_lossy();
            name.starts_with("pgsql") || name.starts_with("postgres") || name.starts_with(|c: char| c.is_ascii_digit())
        };
        found.extend(subfolders(Path::new(root), named_for_postgres).into_iter().map(|folder| folder.join(below)));
    }
    found
}

/// What `scripts/fetch-postgres.sh` has put into the cache: `postgresql-<version>/bin`.
fn in_our_cache() -> Vec<PathBuf> {
    each_once(cached(), &SERVER)
}

fn cached() -> Vec<PathBuf> {
    let Ok(cache) = folders::cache_dir() else { return Vec::new() };
    let versions = subfolders(&cache, |name| name.to_string_lossy().starts_with("postgresql-"));
    versions.into_iter().map(|folder| folder.join("bin")).collect()
}

fn subfolders(root: &Path, named: impl Fn(&OsString) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter(|entry| named(&entry.file_name())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Keeps folders that hold the programs, without those that are a link to an earlier one.
fn each_once(folders: Vec<PathBuf>, programs: &[&str]) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for folder in folders.into_iter().filter(|folder| holds(folder, programs)) {
        let folder = folder.canonicalize().unwrap_or(folder);
        if !kept.contains(&folder) {
            kept.push(folder);
        }
    }
    kept
}

fn looked() -> String {
    let places: Vec<_> = PLACES.iter().map(|(root, _)| *root).collect();
    let cache = folders::cache_dir().map(|cache| format!(" and {}", cache.display())).unwrap_or_default();
    format!("NOVA_PG_BINDIR, pg_config --bindir, PATH, {}{cache}", places.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(versions: &[(u32, u32)]) -> Vec<(Version, PathBuf)> {
        let named = |&(major, minor): &(u32, u32)| (Version { major, minor }, PathBuf::from(format!("/{major}")));
        versions.iter().map(named).collect()
    }

    #[test]
    fn versions_are_read_as_postgres_prints_them() {
        let parse = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(parse("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n").as_deref(), Some("15.18"));
        assert_eq!(parse("postgres (PostgreSQL) 18beta1").as_deref(), Some("18.0"));
        assert_eq!(parse("postgres (PostgreSQL) 19devel").as_deref(), Some("19.0"));
        assert_eq!(parse("no such thing"), None);
    }

    #[test]
    fn a_new_folder_gets_the_highest_version() {
        let chosen = Programs::matching(&found(&[(15, 2), (17, 1), (16, 9)]), Path::new("/d"), None).unwrap();
        assert_eq!(chosen.bindir, Path::new("/17"));
    }

    #[test]
    fn an_existing_folder_gets_the_version_that_made_it() {
        let chosen = Programs::matching(&found(&[(15, 2), (17, 1)]), Path::new("/d"), Some(15)).unwrap();
        assert_eq!(chosen.version.major, 15);
        let error = Programs::matching(&found(&[(15, 2)]), Path::new("/d"), Some(13)).unwrap_err().to_string();
        assert!(error.contains("made by PostgreSQL 13") && error.contains("15.2 in /15"), "{error}");
    }
}
