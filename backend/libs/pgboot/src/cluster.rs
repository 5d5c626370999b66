//! The data folder: which version made it, and making it whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::find::Programs;
use crate::home::Home;
use crate::watchdog::{self, Ending};
use crate::{Error, SUPERUSER};

/// Name of the data folder in [`Home`].
pub(crate) const DATA: &str = "data";

/// Where `initdb` works. It gets the name [`DATA`] once it is complete, so that a half-made folder is never used.
const PARTIAL: &str = "data.partial";

/// The major version that made `data`; nothing if there is none yet.
pub(crate) fn major(data: &Path) -> Result<Option<u32>, Error> {
    let file = data.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().split('.').next().unwrap_or_default().parse() {
            Ok(major) => Ok(Some(major)),
            Err(_) => Err(Error::Foreign(data.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_dir(data).map(|mut all| all.next()) {
            Ok(Some(_)) => Err(Error::Foreign(data.to_owned())),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::folder("read", data)(error)),
        },
        Err(error) => Err(Error::folder("read", &file)(error)),
    }
}

/// Makes the data folder.
pub(crate) async fn init(home: &Home, programs: &Programs, durable: bool) -> Result<(), Error> {
    let partial = home.root().join(PARTIAL);
    let first = initdb(home, programs, durable, &partial, "C.UTF-8").await;
    match first {
        Err(Error::Initdb { output, .. }) if output.contains("invalid locale") => {
            tracing::warn!("this machine has no locale C.UTF-8: search will know no letters beyond ASCII");
            initdb(home, programs, durable, &partial, "C").await?;
        }
        other => other?,
    }
    let data = home.data();
    fs::rename(&partial, &data).map_err(Error::folder("make", &data))?;
    if durable {
        let root = home.root();
        File::open(root).and_then(|folder| folder.sync_all()).map_err(Error::folder("sync", root))?;
    }
    Ok(())
}

async fn initdb(home: &Home, programs: &Programs, durable: bool, partial: &Path, locale: &str) -> Result<(), Error> {
    match fs::remove_dir_all(partial) {
        Ok(()) => tracing::info!("removed the data folder of an interrupted initdb"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::folder("remove", partial)(error)),
    }
    let (log, begins) = home.open_log()?;
    let locale = format!("--locale={locale}");
    let mut arguments = vec![OsStr::new("-D"), partial.as_os_str()];
    arguments.extend(
        [
            "-U",
            SUPERUSER,
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-instructions",
            "-E",
            "UTF8",
            &locale,
        ]
        .map(OsStr::new),
    );
    // Torn or rotten pages are found when read, not years later; a test has no use for either.
    arguments.push(OsStr::new(if durable { "--data-checksums" } else { "--no-sync" }));
    let program = programs.path("initdb");
    let (mut child, leash) = watchdog::run(home, &program, &arguments, Ending::KillGroup, log).await?;
    let status = child.wait().await.map_err(|source| Error::Spawn { program, source })?;
    leash.release();
    if !status.success() {
        return Err(Error::Initdb { data: home.data(), output: home.log_tail(begins) });
    }
    Ok(())
}
