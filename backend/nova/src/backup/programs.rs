//! PostgreSQL's own `pg_dump` and `pg_restore`, which we run and whose words we pass on.

use std::env;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use pgboot::{Tools, Version};
use tokio::process::Command;
use url::Url;

use super::TOOL;

/// All that they get of our environment: the rest may hold secrets.
const ENVIRONMENT: [&str; 6] = ["PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PGPASSFILE", "TMPDIR"];
/// How sqlx spells what libpq knows by another name, and what both know.
const PARAMETERS: [(&str, &str); 14] = [
    ("host", "host"),
    ("hostaddr", "host"),
    ("port", "port"),
    ("user", "user"),
    ("dbname", "dbname"),
    ("sslmode", "sslmode"),
    ("ssl-mode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("sslcert", "sslcert"),
    ("ssl-cert", "sslcert"),
    ("sslkey", "sslkey"),
    ("ssl-key", "sslkey"),
];

/// See the module.
pub struct Programs(Tools);

impl Programs {
    /// Those for a server, or for a dump, of a major version.
    ///
    /// # Errors
    /// With a sentence that says what to install.
    pub async fn find(major: u32) -> anyhow::Result<Self> {
        Ok(Self(Tools::find(major).await?))
    }

    /// Their version.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Writes what a snapshot shows of a database into a file that is there already.
    ///
    /// # Errors
    /// What pg_dump says.
    pub async fn dump(&self, url: &str, snapshot: &str, file: &Path) -> anyhow::Result<()> {
        let mut command = self.command("pg_dump", url)?;
        command.args(["--format=custom", "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"]);
        command.arg(format!("--snapshot={snapshot}")).arg("--file").arg(file);
        run("pg_dump", command).await
    }

    /// Writes a dump into an empty database.
    ///
    /// # Errors
    /// What pg_restore says; the first fault ends it.
    pub async fn restore(&self, url: &str, file: &Path) -> anyhow::Result<()> {
        let jobs = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
        let mut command = self.command("pg_restore", url)?;
        command.args(["--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"]);
        command.arg(format!("--jobs={jobs}")).arg(file);
        run("pg_restore", command).await
    }

    fn command(&self, program: &str, url: &str) -> anyhow::Result<Command> {
        let (address, password) = for_libpq(url)?;
        let mut command = Command::new(self.0.path(program));
        command.env_clear().envs(ENVIRONMENT.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.env("LC_ALL", "C").env("PGAPPNAME", TOOL).arg("--no-password").arg(format!("--dbname={address}"));
        if let Some(password) = password {
            command.env("PGPASSWORD", password); // everybody may read arguments
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }
}

async fn run(program: &str, mut command: Command) -> anyhow::Result<()> {
    let child = command.spawn().with_context(|| format!("{program} can't be run"))?;
    let output = child.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join(" | ");
    if last.is_empty() {
        bail!("{program} ended with {}", output.status);
    }
    bail!("{last}");
}

/// An address as libpq reads it, and its password.
fn for_libpq(url: &str) -> anyhow::Result<(String, Option<String>)> {
    let unreadable = "a database's address must be postgres://user:password@host:port/database";
    let mut url = Url::parse(url).ok().context(unreadable)?;
    let decoded = |text: &str| percent_decoded(text).context(unreadable);
    let mut password = url.password().map(decoded).transpose()?;
    let mut kept = vec![];
    for (key, value) in url.query_pairs() {
        if key == "password" {
            password = Some(value.into_owned());
        } else if let Some((_, name)) = PARAMETERS.iter().find(|(known, _)| *known == key) {
            kept.push(format!("{name}={}", encoded(&value)));
        }
    }
    if url.password().is_some() {
        url.set_password(None).ok().context(unreadable)?;
    }
    let kept = kept.join("&");
    url.set_query((!kept.is_empty()).then_some(kept.as_str()));
    Ok((url.into(), password))
}

fn percent_decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (vec![], text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

/// libpq knows no `+` for a space.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_handed_on_without_their_password() {
        let cases = [
            ("postgres://nova:p%40ss@db:5433/nova_auth", "postgres://nova@db:5433/nova_auth", Some("p@ss")),
            (
                "postgres://nova@%2Ftmp%2Frun:5432/nova_auth?sslmode=disable",
                "postgres://nova@%2Ftmp%2Frun:5432/nova_auth?sslmode=disable",
                None,
            ),
            (
                "postgresql://u@db/x?ssl-ca=/a%20b&statement-cache-capacity=5&password=q",
                "postgresql://u@db/x?sslrootcert=/a%20b",
                Some("q"),
            ),
            ("postgres:///x?host=/run/pg&user=nova", "postgres:///x?host=/run/pg&user=nova", None),
        ];
        for (given, address, password) in cases {
            let expected = (address.to_owned(), password.map(str::to_owned));
            assert_eq!(for_libpq(given).unwrap(), expected, "{given}");
        }
        assert!(for_libpq("db.example.org").is_err());
    }
}
