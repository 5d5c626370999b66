//! A Kafka broker of the test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::eventually;

const START_WITHIN: Duration = Duration::from_secs(30);
const PROGRAM: &str = "noida-db-server";

/// `noida-db`, a small program that speaks Kafka's protocol: groups, rebalances and idempotent producers. It forgets what it has
/// acknowledged when it is killed, so it is for tests of everything but durability.
pub struct KafkaBroker {
    port: u16,
    process: Child,
    home: PathBuf,
}

impl KafkaBroker {
    /// Starts the program that `make setup-tests` installs, on a port of its own.
    ///
    /// # Panics
    /// If there is none, or it does not start.
    pub async fn start() -> Self {
        // The port is free at this moment; who takes it meanwhile makes the start fail, and the next is tried.
        for _ in 0..5 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("a bound listener has an address").port();
            drop(listener);
            let home = std::env::temp_dir().join(format!("nova-test-kafka-{}-{port}", std::process::id()));
            std::fs::create_dir_all(&home).expect("the temporary folder can be written");
            let process = Self::run(port, &home);
            let mut broker = Self { port, process, home };
            let answers = eventually("the broker answers", START_WITHIN, async || {
                TcpStream::connect(("127.0.0.1", port)).await.ok()
            });
            let is_up = tokio::select! {
                _ = answers => true,
                _ended = broker.process.wait() => false,
            };
            if is_up {
                return broker;
            }
        }
        panic!("{PROGRAM} does not start on any port");
    }

    /// Where it is, as `bootstrap.servers` has it.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Ends it without a warning. What it had is lost.
    ///
    /// # Panics
    /// If it can't be killed.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("a process can be killed");
    }

    /// Lets it do nothing until [`Self::thaw`]: a host that has vanished without a word.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("the broker runs");
        rustix::process::kill_process(pid, signal).expect("a process of ours can be told");
    }

    /// Starts it again where it was, with nothing in it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
        std::fs::create_dir_all(&self.home).expect("the temporary folder can be written");
        self.process = Self::run(self.port, &self.home);
        let port = self.port;
        eventually("the broker answers again", START_WITHIN, async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
    }

    fn run(port: u16, home: &Path) -> Child {
        let port = port.to_string();
        Command::new(program())
            .args(["start", "--only", "kafka", "--kafka-port", &port, "--data-dir"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect(
                "a Kafka broker is needed by this test: `make setup-tests` installs one (noida-db, by Python's pip)",
            )
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// The one that setup-tests has installed, else one that is found by its name.
fn program() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/tools/bin").join(PROGRAM);
    if installed.exists() { installed } else { PathBuf::from(PROGRAM) }
}
