//! Finds PostgreSQL's programs for backups, `pg_dump` and `pg_restore`, for a server that may be anywhere.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::{Error, Version, find};

/// Programs that go with a server, or with one that is newer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// Where they are.
    pub bindir: PathBuf,
    /// Their version.
    pub version: Version,
}

impl Tools {
    /// Finds programs of at least the major version `at_least`, in `NOVA_PG_BINDIR`, on the machine and in Nova's cache folder. Of
    /// those that will do the oldest are taken: what newer ones write, fewer servers and programs can read.
    ///
    /// # Errors
    /// [`Error::NoTools`] says what was found instead.
    pub async fn find(at_least: u32) -> Result<Self, Error> {
        let mut found = vec![];
        for bindir in find::folders_with(&["pg_dump", "pg_restore"]).await {
            if let Some(version) = version_of(&bindir).await {
                found.push(Self { bindir, version });
            }
        }
        Self::choose(&found, at_least).cloned().ok_or_else(|| {
            let list: Vec<_> = found.iter().map(|t| format!("{} in {}", t.version, t.bindir.display())).collect();
            let found = if list.is_empty() { "none".to_owned() } else { format!("only {}", list.join(", ")) };
            Error::NoTools { at_least, found }
        })
    }

    /// A program, such as `pg_dump`.
    pub fn path(&self, program: &str) -> PathBuf {
        self.bindir.join(program)
    }

    /// The lowest major version that will do, in its newest release; of equals the first.
    fn choose(found: &[Self], at_least: u32) -> Option<&Self> {
        let suitable = found.iter().rev().filter(|tools| tools.version.major >= at_least);
        suitable.max_by_key(|tools| (u32::MAX - tools.version.major, tools.version.minor))
    }
}

async fn version_of(bindir: &Path) -> Option<Version> {
    let output = Command::new(bindir.join("pg_dump")).arg("--version").stderr(Stdio::null()).output().await.ok()?;
    Version::parse(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_programs_that_will_do_are_taken() {
        let tools = |major, minor, bindir: &str| Tools { bindir: bindir.into(), version: Version { major, minor } };
        let found =
            [tools(18, 1, "/a"), tools(15, 2, "/b"), tools(16, 9, "/c"), tools(16, 10, "/d"), tools(16, 10, "/e")];
        let chosen = |at_least| Tools::choose(&found, at_least).map(|tools| tools.bindir.display().to_string());
        assert_eq!(chosen(14).as_deref(), Some("/b"));
        assert_eq!(chosen(16).as_deref(), Some("/d"));
        assert_eq!(chosen(17).as_deref(), Some("/a"));
        assert_eq!(chosen(19), None);
    }
}
