//! The messaging service as a process of its own, which can be killed.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use testkit::TestDatabase;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Of every replica of a test.
const MASTER_KEY: &str = "dGhpcnR5LXR3byBieXRlcyBmb3IgdGVzdHMgb25seSE=";
const START_WITHIN: Duration = Duration::from_secs(60);

/// See the module.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts it on `database`, and those of keys and of the event log; `peers` is where auth and user service are.
    pub async fn start(
        database: &TestDatabase,
        [keys, events]: [&TestDatabase; 2],
        peers: SocketAddr,
        redis: Option<&str>,
    ) -> Self {
        let peers = format!("http://{peers}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_messaging-service"));
        command
            .env("NOVA_MESSAGING__DATABASE__URL", &database.url)
            .env("NOVA_MESSAGING__DATABASE__MAX_CONNECTIONS", "12")
            .env("NOVA_MESSAGING__KEYS__URL", &keys.url)
            .env("NOVA_MESSAGING__EVENTS__DATABASE__URL", &events.url)
            .env_remove("KAFKA_BROKERS")
            .env("NOVA_MESSAGING__MASTER_KEY", MASTER_KEY)
            .env("NOVA_MESSAGING__PEERS__CLIENT_SECRET", "not asked for")
            .env("NOVA_MESSAGING__PEERS__AUTH_URL", &peers)
            .env("NOVA_MESSAGING__PEERS__USER_URL", &peers)
            .env("NOVA_MESSAGING__LISTEN__HTTP_PORT", "0")
            .env("NOVA_MESSAGING__LISTEN__GRPC_PORT", "0")
            .env("NOVA_MESSAGING__RATE_LIMITS__ENABLED", "false")
            .env("RUST_LOG", "info")
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match redis {
            Some(url) => command.env("REDIS_URL", url),
            None => command.env_remove("REDIS_URL"),
        };
        let mut child = command.spawn().expect("the program runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut err = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (mut address, mut log) = (None, vec![]);
        let ready = async {
            loop {
                let line = tokio::select! {
                    Ok(Some(line)) = out.next_line() => line,
                    Ok(Some(line)) = err.next_line() => line,
                    else => return false,
                };
                if let Some((_, rest)) = line.split_once("listens: gRPC ") {
                    address = rest.split([',', ' ']).next().and_then(|text| text.parse().ok());
                }
                let is_ready = line.contains("messaging service is ready");
                log.push(line);
                if is_ready {
                    return true;
                }
            }
        };
        let is_ready = tokio::time::timeout(START_WITHIN, ready).await;
        assert_eq!(is_ready, Ok(true), "it does not start:\n{}", log.join("\n"));
        // Nobody reads its log from now on, but it must not be kept waiting.
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Ok(Some(_)) = out.next_line() => {}
                    Ok(Some(line)) = err.next_line() => {
                        if line.contains("panicked") {
                            eprintln!("{line}");
                        }
                    }
                    else => return,
                }
            }
        });
        Self { child, address: address.expect("it says where it listens") }
    }

    /// Kills it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process can be killed");
    }
}
