//! The program as a child process, on a data folder of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// A start includes initdb and may share two cores with other tests.
const START: Duration = Duration::from_secs(60);

/// A data folder that goes away with the test.
pub struct Home {
    path: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// What a command that ended has printed.
pub struct Ended {
    pub success: bool,
    pub text: String,
}

impl Home {
    pub fn new(name: &str) -> Self {
        Self::with(name, vec![])
    }

    /// The same with these variables for every program.
    pub fn with(name: &str, environment: Vec<(&'static str, String)>) -> Self {
        Self { path: std::env::temp_dir().join(format!("nova-it-{name}-{}", std::process::id())), environment }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The program with these arguments, every port a free one.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nova"));
        command.args(arguments).env("NOVA_DATA_DIR", &self.path).env("NOVA_FRONT_DOOR__PORT", "0");
        for service in ["AUTH", "USER", "MESSAGING"] {
            for kind in ["HTTP", "GRPC"] {
                command.env(format!("NOVA_{service}__LISTEN__{kind}_PORT"), "0");
            }
        }
        for usual in ["DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            command.env_remove(usual);
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Where one of the databases of the running PostgreSQL is.
    pub async fn url_of(&self, database: &str) -> String {
        let running = pgboot::Running::find(&self.path.join("postgres"), database).await.expect("it runs");
        running.url(database)
    }

    /// A connection to one of the databases.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url_of(database).await).await.expect("it answers")
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().await.expect("the program runs");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ended { success: output.status.success(), text }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A Nova that is ready.
pub struct Nova {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Nova {
    /// Starts it and waits until it says where it is.
    pub async fn start(home: &Home) -> Self {
        Self::start_with(home, &[]).await
    }

    /// The same with more in its environment.
    pub async fn start_asked(home: &Home, environment: &[(&str, &str)]) -> Self {
        let mut command = home.command(&["serve"]);
        Self::spawn(home, command.envs(environment.iter().copied())).await
    }

    /// The same with more arguments.
    pub async fn start_with(home: &Home, more: &[&str]) -> Self {
        let mut command = home.command(&[&["serve"], more].concat());
        Self::spawn(home, &mut command).await
    }

    async fn spawn(home: &Home, command: &mut Command) -> Self {
        std::fs::create_dir_all(home.path()).expect("the folder can be made");
        let log = home.path().join("test.log");
        let stderr = std::fs::File::create(&log).expect("the log can be written");
        let mut process = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the program runs");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = tokio::time::timeout(START, async {
            while let Some(line) = lines.next_line().await.expect("it prints text") {
                if let Some((_, rest)) = line.split_once("://127.0.0.1:") {
                    return rest.split_whitespace().next().and_then(|port| port.parse().ok()).expect("a port");
                }
            }
            panic!("it ended before it was ready");
        });
        let port = port.await.expect("it is ready in time");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, port, log }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://127.0.0.1:{}", self.port)).expect("an address").connect_lazy()
    }

    /// A channel over TLS, from who believes the authority in this file.
    pub fn channel_over_tls(&self, ca: &Path) -> Channel {
        let client =
            tls::Client::open(&tls::ClientFiles { ca: ca.to_path_buf(), identity: None }).expect("a good file");
        let dial = rpc::Dial::Tls { client, name: None };
        let url = format!("https://127.0.0.1:{}", self.port);
        rpc::Peer { url, dial, timeout: START }.channel().expect("an address")
    }

    /// Tells it to read its certificates again.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process.id().expect("it runs")).expect("a pid");
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("a pid"), signal).expect("it runs");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Kills it without warning, as the kernel does when memory runs out.
    pub async fn kill_9(&mut self) {
        self.process.kill().await.expect("it ran");
    }

    /// Stops it as an operator does, and tells its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        let ended = tokio::time::timeout(Duration::from_secs(30), self.process.wait()).await.expect("it stops in time");
        let code = ended.expect("it can be waited for").code();
        if code != Some(0) {
            // Shown by the test runner together with the failure that follows.
            println!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        code
    }
}
