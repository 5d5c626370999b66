//! The process table: what lives, what is a zombie, and what belongs to our data folder.
//!
//! `kill(pid, 0)` is not enough: a pid may have been reused, and a killed postmaster may stay a zombie for ever
//! in a container whose first process reaps nobody.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// A line of the process table.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    zombie: bool,
    /// Arguments, or the title that the process gave itself, separated by spaces.
    command: String,
}

/// What tells the processes of our data folder from all others.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    data: PathBuf,
    /// `cluster_name` of the server, which its backends carry in their titles.
    pub(crate) cluster_name: String,
}

impl Identity {
    pub(crate) fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            cluster_name: format!("nova-{:016x}", fnv1a(data.as_os_str().as_encoded_bytes())),
        }
    }

    /// Is `pid` a live postmaster of this data folder?
    pub(crate) fn is_postmaster(&self, pid: i32) -> bool {
        one(pid).is_some_and(|process| !process.zombie && self.started(&process))
    }

    /// Backends that outlived their postmaster.
    pub(crate) fn orphans(&self) -> Vec<i32> {
        let title = format!("postgres: {}: ", self.cluster_name);
        all()
            .into_iter()
            .filter(|process| !process.zombie && (process.command.starts_with(&title) || self.started(process)))
            .map(|process| process.pid)
            .collect()
    }

    /// Does the command line say `postgres … -D <our data folder> …`?
    fn started(&self, process: &Process) -> bool {
        let Some(rest) = process.command.split_once(&format!(" -D {}", self.data.display())) else { return false };
        let program = rest.0.split_once(" -").map_or(rest.0, |(program, _)| program);
        Path::new(program).file_name().is_some_and(|name| name == "postgres")
            && (rest.1.is_empty() || rest.1.starts_with(' '))
    }
}

/// FNV-1a: a hash that stays the same in every release.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Sends a signal; a process that is gone already is fine.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Fails only for a process that is gone or that was never ours, and the callers check what lives afterwards.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Looks again and again until `done` or the time is up; tells whether it was done.
pub(crate) async fn until(within: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if done() {
            return true;
        }
        if begun.elapsed() > within {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(target_os = "linux")]
fn one(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let zombie = stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['Z', 'X']));
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ").trim_end().to_owned();
    Some(Process { pid, zombie, command })
}

#[cfg(target_os = "linux")]
fn all() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| one(entry.file_name().to_str()?.parse().ok()?)).collect()
}

#[cfg(not(target_os = "linux"))]
fn one(pid: i32) -> Option<Process> {
    ps(&["-p", &pid.to_string()]).pop()
}

#[cfg(not(target_os = "linux"))]
fn all() -> Vec<Process> {
    ps(&["-ax"])
}

#[cfg(not(target_os = "linux"))]
fn ps(which: &[&str]) -> Vec<Process> {
    let columns = ["-ww", "-o", "pid=", "-o", "stat=", "-o", "command="];
    let Ok(output) = std::process::Command::new("ps").args(which).args(columns).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| {
            let (pid, rest) = line.trim_start().split_once(' ')?;
            let (state, command) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
            let command = command.trim().to_owned();
            Some(Process { pid: pid.parse().ok()?, zombie: state.starts_with('Z'), command })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(command: &str) -> Process {
        Process { pid: 1, zombie: false, command: command.to_owned() }
    }

    #[test]
    fn only_postgres_on_the_very_folder_is_ours() {
        let ours = Identity::new(Path::new("/srv/a b/data"));
        assert!(ours.started(&process("/usr/lib/postgresql/15/bin/postgres -D /srv/a b/data -c port=5432")));
        assert!(ours.started(&process("postgres -D /srv/a b/data")));
        assert!(!ours.started(&process("postgres -D /srv/a b/data2 -c port=5432")));
        assert!(!ours.started(&process("/bin/sh -c exec postgres -D /srv/a b/data")));
        assert!(!ours.started(&process("initdb -D /srv/a b/data")));
        assert!(!ours.started(&process("")));
    }

    #[test]
    fn the_hash_stays_the_same() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
