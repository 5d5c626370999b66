//! Where Nova keeps its data and the programs that it fetched, when nobody says otherwise.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::Error;

/// The folder for all that Nova keeps: `NOVA_DATA_DIR`, else as root `/var/lib/nova`, else `nova` in the XDG data folder.
///
/// PostgreSQL wants a folder of its own below it ([`crate::Options::home`]).
///
/// # Errors
///
/// [`Error::NoFolder`] for a normal user without any of the variables and without `HOME`.
pub fn default_data_dir() -> Result<PathBuf, Error> {
    let folder =
        choose(["NOVA_DATA_DIR", "XDG_DATA_HOME"], "/var/lib/nova", ".local/share", is_root(), |n| env::var_os(n));
    folder.ok_or(Error::NoFolder { variables: "NOVA_DATA_DIR, XDG_DATA_HOME, HOME" })
}

/// The folder for what can be fetched again: `NOVA_CACHE_DIR`, else as root `/var/cache/nova`, else `nova` in the XDG cache folder.
///
/// Fetched server programs are in `postgresql-<version>/bin` below it.
///
/// # Errors
///
/// [`Error::NoFolder`] for a normal user without any of the variables and without `HOME`.
pub fn cache_dir() -> Result<PathBuf, Error> {
    let folder =
        choose(["NOVA_CACHE_DIR", "XDG_CACHE_HOME"], "/var/cache/nova", ".cache", is_root(), |n| env::var_os(n));
    folder.ok_or(Error::NoFolder { variables: "NOVA_CACHE_DIR, XDG_CACHE_HOME, HOME" })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn choose(
    [own, xdg]: [&str; 2],
    for_root: &str,
    below_home: &str,
    is_root: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = folder(own) {
        return Some(own);
    }
    if is_root {
        return Some(PathBuf::from(for_root)); // the XDG folders of root are closed to the user that runs PostgreSQL
    }
    let xdg = folder(xdg).filter(|folder| folder.is_absolute()); // the XDG specification: others are to be ignored
    Some(xdg.or_else(|| Some(folder("HOME")?.join(below_home)))?.join("nova"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(is_root: bool, variables: &[(&str, &str)]) -> Option<PathBuf> {
        let get =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        choose(["NOVA_DATA_DIR", "XDG_DATA_HOME"], "/var/lib/nova", ".local/share", is_root, get)
    }

    #[test]
    fn the_named_folder_wins_then_root_then_xdg_then_home() {
        let all = [("NOVA_DATA_DIR", "/own"), ("XDG_DATA_HOME", "/xdg"), ("HOME", "/home/a")];
        assert_eq!(data(true, &all), Some("/own".into()));
        assert_eq!(data(true, &all[1..]), Some("/var/lib/nova".into()));
        assert_eq!(data(false, &all[1..]), Some("/xdg/nova".into()));
        assert_eq!(data(false, &all[2..]), Some("/home/a/.local/share/nova".into()));
        assert_eq!(data(false, &[("NOVA_DATA_DIR", ""), ("XDG_DATA_HOME", "relative")]), None);
    }
}
