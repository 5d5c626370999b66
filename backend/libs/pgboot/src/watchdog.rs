//! Ends PostgreSQL when this process dies, however it dies.
//!
//! Each program is started through a shell that first leaves a watchdog behind and then becomes the program, so the
//! watchdog is there before PostgreSQL is and the pid is that of the program. The watchdog reads from a pipe that only
//! this process can write to: a line means "leave", the end of the pipe means that this process is gone.
//! It holds `watchdog.lock` until what it ended is gone, so that a successor waits for it and never adopts a dying server.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::Error;
use crate::home::Home;
use crate::process::until;

/// How long a successor waits for the watchdog of a process that was killed. It waits itself for 10 s at most.
const PATIENCE: Duration = Duration::from_secs(15);

/// `$1` pid to watch (0: this shell), `$2` signal, `$3` file that is there while it lives, then the program.
/// The watchdog is a grandchild: PostgreSQL takes the end of a child that it does not know for a crash.
const SCRIPT: &str = r#"
target=$1 signal=$2 alive=$3
shift 3
[ "$target" != 0 ] || target=$$
exec 3<&0 4>&1 </dev/null >&2
(
    (
        read -r _ <&3 && exit
        case $signal in
            KILL) kill -s KILL -- "-$target" ;;
            *) kill -s "$signal" -- "$target" ;;
        esac
        n=0
        while [ -e "$alive" ] && [ $n -lt 500 ] && kill -s 0 -- "$target"; do
            sleep 0.02 || sleep 1
            n=$((n + 1))
        done
    ) >/dev/null 2>&1 &
)
exec 3<&- 4>&-
[ $# = 0 ] || exec "$@"
"#;

/// How the watchdog ends a program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// SIGINT: PostgreSQL's fast shutdown.
    Interrupt,
    /// SIGKILL to the program and its children.
    KillGroup,
}

/// Keeps a watchdog quiet. Dropping it has the program ended.
#[derive(Debug)]
pub(crate) struct Leash(PipeWriter);

impl Leash {
    /// Sends the watchdog away, once the program has ended by itself and its pid may go to somebody else.
    pub(crate) fn release(mut self) {
        // Fails only if the watchdog is gone already.
        let _ = self.0.write_all(b"\n");
    }
}

/// Starts a program with a watchdog; its output goes to `log`.
pub(crate) async fn run(
    home: &Home,
    program: &Path,
    arguments: &[&OsStr],
    ending: Ending,
    log: File,
) -> Result<(Child, Leash), Error> {
    let (mut command, leash) = watched(home, 0, ending, log).await?;
    command.arg(program).args(arguments);
    let child = command.spawn().map_err(|source| Error::Spawn { program: program.to_owned(), source })?;
    Ok((child, leash))
}

/// Sets a watchdog on a postmaster that runs already.
pub(crate) async fn guard(home: &Home, pid: i32) -> Result<Leash, Error> {
    let (log, _) = home.open_log()?;
    let (mut command, leash) = watched(home, pid, Ending::Interrupt, log).await?;
    command.status().await.map_err(|source| Error::Spawn { program: PathBuf::from("/bin/sh"), source })?;
    Ok(leash)
}

/// Waits until the watchdog of a predecessor has done its work.
pub(crate) async fn wait_for_predecessor(home: &Home) -> Result<(), Error> {
    let lock = home.open_watchdog_lock()?;
    if !until(PATIENCE, || lock.try_lock().is_ok()).await {
        tracing::warn!("the watchdog of a killed predecessor is still there, going on without it");
    }
    Ok(())
}

async fn watched(home: &Home, target: i32, ending: Ending, log: File) -> Result<(Command, Leash), Error> {
    let lock = home.open_watchdog_lock()?;
    // An earlier watchdog of ours may be about to leave. One that is stuck keeps the lock; a watchdog works without.
    until(Duration::from_secs(1), || lock.try_lock().is_ok()).await;
    let (reader, writer) = std::io::pipe().map_err(Error::folder("make a pipe for", home.root()))?;
    let signal = match ending {
        Ending::Interrupt => "INT",
        Ending::KillGroup => "KILL",
    };
    let mut command = home.user.command("/bin/sh");
    command.args(["-c", SCRIPT, "sh", &target.to_string(), signal]).arg(home.data().join("postmaster.pid"));
    // The lock goes along as standard output, the one way to pass a file without unsafe code; the script moves it.
    command.stdin(Stdio::from(reader)).stdout(Stdio::from(lock)).stderr(Stdio::from(log));
    Ok((command, Leash(writer)))
}
