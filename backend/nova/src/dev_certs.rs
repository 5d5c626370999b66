//! `nova dev-certs`: an authority of one's own and what it signs, for trying TLS out.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use clap::Args;
use clock::Clock;
use standalone::{DataFolder, Options};
use tls::{Authority, Issued};

/// Everyone who gets a certificate: the front door, and each service as a server and as a client of the others.
const WHO: [&str; 4] = ["nova", "auth-service", "user-service", "messaging-service"];
/// Where all of them are while TLS is tried out.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How long they are good; what lasts for more than a year is forgotten.
const LIFE: TimeDelta = TimeDelta::days(365);
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// What is made, and where.
#[derive(Args)]
pub struct DevCerts {
    /// Folder for the files; left out: `certs` in the data folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A name or address by which others reach this machine; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Replace what an earlier run has made, the authority too.
    #[arg(long)]
    force: bool,
}

/// Makes the files and says what to do with them.
///
/// # Errors
/// If a file is there already, a name can't stand in a certificate, or the folder can't be written.
pub fn run(options: &Options, wanted: &DevCerts) -> anyhow::Result<()> {
    let out = match &wanted.out {
        Some(out) => std::path::absolute(out)?,
        None => DataFolder::at(options.data_dir.as_deref())?.path().join("certs"),
    };
    let now = Clock::system().now();
    let authority = Authority::new("Nova development authority", now)?;
    let mut files = vec![File::public(&out, "ca.pem", &authority.own), File::secret(&out, "ca.key", &authority.own)];
    for who in WHO {
        let names: Vec<&str> = [who].into_iter().chain(HERE).chain(wanted.names.iter().map(String::as_str)).collect();
        let issued = authority.issue(&names, now, now + LIFE);
        let issued = issued.with_context(|| format!("there can be no certificate for {}", names.join(", ")))?;
        files.push(File::public(&out, &format!("{who}.pem"), &issued));
        files.push(File::secret(&out, &format!("{who}.key"), &issued));
    }
    let configuration = out.join("nova.toml");
    files.push(File { path: configuration.clone(), mode: PUBLIC, content: settings(&out) });
    if let Some(there) = files.iter().find(|file| file.path.exists() && !wanted.force) {
        bail!("{} is there already: name another folder with --out, or replace all with --force", there.path.display());
    }
    folder(&out).with_context(|| format!("{} can't be made", out.display()))?;
    for file in &files {
        file.write().with_context(|| format!("{} can't be written", file.path.display()))?;
    }
    println!(
        "an authority, certificates and keys are in {}, good until {}\n",
        out.display(),
        (now + LIFE).date_naive()
    );
    println!("Everything in one process, or each service by itself, with TLS on every port:\n");
    println!("  nova serve --config {}", configuration.display());
    println!("  auth-service --config {0}   (user-service and messaging-service alike)\n", configuration.display());
    println!("Calls that check the certificate:\n");
    println!("  curl --cacert {}/ca.pem https://localhost:8000/readyz", out.display());
    println!("  grpcurl -cacert {}/ca.pem localhost:8000 list\n", out.display());
    println!("Whoever has ca.key can be anyone to who believes ca.pem: this is for trying, not for production.");
    Ok(())
}

/// Only its owner enters the folder itself; PostgreSQL, under a user of its own, must be able to go through those above it.
fn folder(path: &Path) -> std::io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

struct File {
    path: PathBuf,
    mode: u32,
    content: String,
}

impl File {
    fn public(folder: &Path, name: &str, issued: &Issued) -> Self {
        Self { path: folder.join(name), mode: PUBLIC, content: issued.certificate.clone() }
    }

    fn secret(folder: &Path, name: &str, issued: &Issued) -> Self {
        Self { path: folder.join(name), mode: SECRET, content: issued.key.to_string() }
    }

    /// Written aside and moved into place, so that a program that reads it at this moment sees all of it.
    fn write(&self) -> std::io::Result<()> {
        let aside = self.path.with_extension(format!("new-{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(self.mode).open(&aside)?;
        file.write_all(self.content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &self.path)
    }
}

/// A configuration that uses the files: TLS everywhere, and between services in both directions.
fn settings(out: &Path) -> String {
    let path = |name: String| format!("{:?}", out.join(name).to_string_lossy());
    let pair =
        |who: &str| format!("certificate = {}\nkey = {}\n", path(format!("{who}.pem")), path(format!("{who}.key")));
    let ca = path("ca.pem".to_owned());
    let mut text = format!("# Made by `nova dev-certs`.\n\n[front_door.tls]\n{}", pair("nova"));
    for (service, peers) in [
        ("auth", &[("user", 9081)][..]),
        ("user", &[("auth", 9080), ("messaging", 9085)]),
        ("messaging", &[("auth", 9080), ("user", 9081)]),
    ] {
        let own = pair(&format!("{service}-service"));
        let _ = write!(text, "\n[{service}.listen.tls]\n{own}client_ca = {ca}\n");
        text.push_str("service_names = [\"auth-service\", \"user-service\", \"messaging-service\"]\n");
        let _ = write!(text, "\n[{service}.peers]\n");
        for (peer, port) in peers {
            let _ = write!(text, "{peer}_url = \"https://127.0.0.1:{port}\"\n{peer}_name = \"{peer}-service\"\n");
        }
        let _ = write!(text, "\n[{service}.peers.tls]\nca = {ca}\n{own}");
    }
    text
}
