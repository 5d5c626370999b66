//! Certificates for tests of TLS, in files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use clock::Clock;
use tls::Authority;

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// An authority and what it signs, in a folder that goes away with the test.
pub struct Certificates {
    authority: Authority,
    folder: PathBuf,
}

impl Certificates {
    /// A new authority, in a folder of its own.
    ///
    /// # Panics
    /// If no key can be made, or the folder can't be written.
    pub fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("nova-certificates-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        let authority = Authority::new("an authority for tests", day(-1)).expect("a key can be made");
        std::fs::write(folder.join("ca.pem"), &authority.own.certificate).expect("the folder can be written");
        Self { authority, folder }
    }

    /// The authority's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for these names and its key, written to files named after the first.
    ///
    /// # Panics
    /// If a name can't stand in a certificate.
    pub fn issue(&self, names: &[&str]) -> (PathBuf, PathBuf) {
        self.issue_between(names, day(-1), day(100))
    }

    /// The same for a certificate that ended yesterday.
    ///
    /// # Panics
    /// If a name can't stand in a certificate.
    pub fn issue_expired(&self, names: &[&str]) -> (PathBuf, PathBuf) {
        self.issue_between(names, day(-10), day(-1))
    }

    /// The same with a life of its own; the files are replaced if they are there.
    ///
    /// # Panics
    /// If a name can't stand in a certificate.
    pub fn issue_between(&self, names: &[&str], from: DateTime<Utc>, until: DateTime<Utc>) -> (PathBuf, PathBuf) {
        let issued = self.authority.issue(names, from, until).expect("names that can stand in a certificate");
        let file = |kind: &str| self.folder.join(format!("{}.{kind}", names[0]));
        let (certificate, key) = (file("pem"), file("key"));
        replace(&certificate, &issued.certificate);
        replace(&key, &issued.key);
        (certificate, key)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Handshakes go by the real time.
fn day(from_today: i64) -> DateTime<Utc> {
    Clock::system().now() + TimeDelta::days(from_today)
}

/// At once, as what rotates certificates does.
fn replace(path: &Path, content: &str) {
    let aside = path.with_extension("aside");
    std::fs::write(&aside, content).expect("the folder can be written");
    std::fs::rename(&aside, path).expect("the folder can be written");
}
