//! The Nova that is measured: a process of its own, on a data folder of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// A running Nova.
pub struct Nova {
    process: Child,
    home: PathBuf,
    port: u16,
}

impl Nova {
    /// Starts the program that lies beside this one.
    pub async fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("nova");
        ensure!(program.exists(), "{} is missing: build it with the same profile first", program.display());
        let home = std::env::temp_dir().join(format!("nova-bench-{}", std::process::id()));
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.arg("serve").env("NOVA_DATA_DIR", &home).env("NOVA_FRONT_DOOR__PORT", port.to_string());
        for service in ["AUTH", "USER", "MESSAGING"] {
            for kind in ["HTTP", "GRPC"] {
                command.env(format!("NOVA_{service}__LISTEN__{kind}_PORT"), "0");
            }
        }
        command.env("NOVA_LOG__FILTER", "warn").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let process = command.spawn()?;
        let nova = Self { process, home, port };
        for _ in 0..600 {
            if nova.is_ready().await {
                return Ok(nova);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("nova was not ready after 60 s")
    }

    async fn is_ready(&self) -> bool {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        let request = b"GET /readyz HTTP/1.1\r\nhost: nova\r\nconnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.write_all(request).await.is_ok()
            && stream.read_to_string(&mut answer).await.is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Channels to its front door.
    pub async fn channels(&self, count: usize) -> anyhow::Result<Vec<Channel>> {
        let mut channels = vec![];
        for _ in 0..count {
            let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", self.port))?.tcp_nodelay(true);
            channels.push(endpoint.connect().await?);
        }
        Ok(channels)
    }

    /// The address of a database of its managed PostgreSQL.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        let running = pgboot::Running::find(&self.home.join("postgres"), name).await;
        Ok(running.context("nova's PostgreSQL does not answer")?.url(name))
    }

    /// Memory that the process has in use.
    pub fn resident_mib(&self) -> anyhow::Result<u64> {
        let pid = self.process.id().context("nova has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib / 1024)
    }

    /// Stops it as an operator would, and removes its folder.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().context("nova has ended")?;
        Command::new("kill").arg(pid.to_string()).status().await?;
        let status = self.process.wait().await?;
        ensure!(status.success(), "nova ended with {status}");
        std::fs::remove_dir_all(&self.home)?;
        Ok(())
    }
}
