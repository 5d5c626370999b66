//! A folder for one test, and a supervisor in a process of its own that can be killed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use pgboot::{Options, Postgres};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{Connection, PgConnection};

/// Longer than anything here takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// Says which test function [`supervise`] is.
const HELPER: &str = "helper::supervises_until_told_to_stop";

pub fn is_root() -> bool {
    geteuid().is_root()
}

/// A folder of the machine's that any user can enter. At its end nothing may be left: no process, no file.
pub struct World {
    pub folder: PathBuf,
}

impl World {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new("/tmp").join(format!("pgboot-it-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        set_mode(&folder, 0o755);
        Self { folder }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    pub fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    pub fn options(&self) -> Options {
        let mut options = Options::new(self.home());
        options.databases = vec!["nova_one".to_owned(), "nova_two".to_owned()];
        options.durable = false;
        options.start_timeout = LONG;
        options
    }

    pub async fn start(&self) -> Postgres {
        Postgres::start(&self.options()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The sentence with which a start is refused.
    pub async fn refusal(&self, options: &Options) -> String {
        match Postgres::start(options).await {
            Ok(_) => panic!("started although it should not have"),
            Err(error) => error.to_string(),
        }
    }

    /// Processes that work in this folder or name it: pid and command line.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let here = self.folder.to_string_lossy().into_owned();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter_map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            (is_alive(pid) && (cwd.starts_with(&self.folder) || command.contains(&here))).then_some((pid, command))
        })
        .collect()
    }

    /// The watchdogs: shells that name this folder.
    pub fn watchdogs(&self) -> Vec<i32> {
        let shells = self.processes().into_iter().filter(|(_, command)| command.starts_with("/bin/sh "));
        shells.map(|(pid, _)| pid).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let begun = Instant::now();
        while !self.processes().is_empty() && begun.elapsed() < Duration::from_secs(10) && !std::thread::panicking() {
            std::thread::sleep(Duration::from_millis(5)); // a server that was dropped is being stopped by its watchdog
        }
        let left = self.processes();
        left.iter().for_each(|(pid, _)| kill(*pid));
        let removed = fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
            removed.unwrap();
        }
    }
}

/// A supervisor in another process: this test binary, called again.
pub struct Supervisor {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Starts it; as root `user` may be somebody else.
    pub fn spawn(world: &World, user: Option<u32>) -> Self {
        let program = world.folder.join("supervisor");
        if !program.exists() {
            fs::copy(env::current_exe().unwrap(), &program).unwrap(); // the build folder may be closed to that user
            set_mode(&program, 0o755);
        }
        let mut command = Command::new(program);
        command.args(["--exact", HELPER, "--nocapture"]).env("PGBOOT_TEST_HOME", world.home()).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next thing that it says: `ready <pid>`, `stopped` or an error's sentence.
    pub fn says(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, said)) = line.split_once("says: ") {
                return said.trim().to_owned();
            }
            line.clear();
        }
        panic!("the supervisor ended without a word");
    }

    /// The postmaster's pid, once it serves.
    pub fn ready(&mut self) -> i32 {
        let said = self.says();
        said.strip_prefix("ready ").and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn stop(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"stop\n").unwrap();
        assert_eq!(self.says(), "stopped");
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What [`Supervisor::spawn`] runs.
pub async fn supervise(home: PathBuf) {
    let mut options = Options::new(home);
    options.databases = vec!["nova_one".to_owned(), "nova_two".to_owned()];
    options.durable = false;
    match Postgres::start(&options).await {
        Ok(postgres) => {
            println!("says: ready {}", postgres.pid());
            let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
            if line.await.unwrap().is_some() {
                postgres.stop().await.unwrap();
                println!("says: stopped");
            }
        }
        Err(error) => println!("says: {error}"),
    }
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.url("nova_one")).await.unwrap()
}

/// Leaves a mark that a later run can find.
pub async fn write_row(postgres: &Postgres) {
    let statements = "SET synchronous_commit = on; CREATE EXTENSION pg_trgm; CREATE TABLE mark (n int); INSERT INTO mark VALUES (42)";
    let mut connection = connect(postgres).await;
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

pub async fn read_row(postgres: &Postgres) -> i32 {
    let mut connection = connect(postgres).await;
    let row = sqlx::query_scalar("SELECT n FROM mark").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    row
}

/// Lives, and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

pub fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

pub fn interrupt(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives a path to whoever owns `model`.
pub fn give_like(path: &Path, model: &Path) {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(model).unwrap();
    chown(path, Some(meta.uid()), Some(meta.gid())).unwrap();
}
