//! The Nova that is measured: a process of its own, on a data folder of its own.

use std::path::{Path, PathBuf};
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
    redis: Option<Redis>,
    replica: Option<(Child, u16)>,
}

/// A Redis of the measurement's own.
struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    fn start(port: u16) -> anyhow::Result<Self> {
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("redis-server is needed: apt-get install redis-server")?;
        Ok(Self { process, port })
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

pub fn program(name: &str) -> anyhow::Result<Command> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(program.exists(), "{} is missing: build it with the same profile first", program.display());
    let mut command = Command::new(program);
    // Load is what limits keep out.
    for service in ["AUTH", "USER", "MESSAGING"] {
        command.env(format!("NOVA_{service}__RATE_LIMITS__ENABLED"), "false");
    }
    command.env("NOVA_LOG__FILTER", "warn").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// A command of `nova` on a data folder.
pub fn command_on(home: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = program("nova")?;
    command.args(arguments).env("NOVA_DATA_DIR", home).env_remove("DATABASE_URL").env_remove("KAFKA_BROKERS");
    Ok(command)
}

pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Nova {
    /// Starts the program that lies beside this one.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(None).await
    }

    /// Starts it, a Redis, and a replica of one of its services (`user` or `messaging`) on the same database.
    pub async fn start_with_replica(service: &str) -> anyhow::Result<Self> {
        let mut nova = Self::start_with(Some(Redis::start(free_port()?)?)).await?;
        let (http, grpc, door) = (free_port()?, free_port()?, format!("http://127.0.0.1:{}", nova.port));
        let url = nova.redis.as_ref().map(Redis::url).unwrap_or_default();
        let key = |key: &str| format!("NOVA_{}__{key}", service.to_uppercase());
        let replica = program(&format!("{service}-service"))?
            .env("NOVA_DATA_DIR", &nova.home)
            .env(key("LISTEN__HTTP_PORT"), http.to_string())
            .env(key("LISTEN__GRPC_PORT"), grpc.to_string())
            .env(key("PEERS__AUTH_URL"), &door)
            .env(key("PEERS__USER_URL"), &door)
            .env(key("PEERS__MESSAGING_URL"), &door)
            .env("REDIS_URL", url)
            .spawn()?;
        nova.replica = Some((replica, grpc));
        until_ready(http).await?;
        Ok(nova)
    }

    /// Starts it on a data folder that is there.
    pub async fn start_on(home: PathBuf) -> anyhow::Result<Self> {
        Self::serve(home, None).await
    }

    /// A command of its own beside it, on the same data folder.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        command_on(&self.home, arguments)
    }

    /// Its data folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    async fn start_with(redis: Option<Redis>) -> anyhow::Result<Self> {
        Self::serve(std::env::temp_dir().join(format!("nova-bench-{}", std::process::id())), redis).await
    }

    async fn serve(home: PathBuf, redis: Option<Redis>) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = command_on(&home, &["serve"])?;
        command.env("NOVA_FRONT_DOOR__PORT", port.to_string());
        for service in ["AUTH", "USER", "MESSAGING"] {
            for kind in ["HTTP", "GRPC"] {
                command.env(format!("NOVA_{service}__LISTEN__{kind}_PORT"), "0");
            }
        }
        // Few people hold many idle streams here.
        command.env("NOVA_MESSAGING__STREAMS__MAX_PER_USER", "1000");
        if let Some(redis) = &redis {
            command.env("REDIS_URL", redis.url());
        }
        let process = command.spawn()?;
        until_ready(port).await?;
        Ok(Self { process, home, port, redis, replica: None })
    }

    /// The front door's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Channels to the replica.
    pub async fn replica_channels(&self, count: usize) -> anyhow::Result<Vec<Channel>> {
        let (_, port) = self.replica.as_ref().context("there is no replica")?;
        channels_to(*port, count).await
    }

    /// Ends Redis without a warning.
    pub async fn kill_redis(&mut self) -> anyhow::Result<()> {
        Ok(self.redis.as_mut().context("there is no Redis")?.process.kill().await?)
    }

    /// Starts Redis again where it was.
    pub fn restart_redis(&mut self) -> anyhow::Result<()> {
        let redis = self.redis.as_mut().context("there is no Redis")?;
        *redis = Redis::start(redis.port)?;
        Ok(())
    }

    /// Processor time that the process has used.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let pid = self.process.id().context("nova has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // proc(5): utime and stime are fields 14 and 15, counted in hundredths of a second; the name in field 2 has brackets.
        let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|n| n.parse().unwrap_or(0u64)).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Channels to its front door.
    pub async fn channels(&self, count: usize) -> anyhow::Result<Vec<Channel>> {
        channels_to(self.port, count).await
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
        if let Some((mut replica, _)) = self.replica.take() {
            replica.kill().await?;
        }
        let pid = self.process.id().context("nova has ended")?;
        Command::new("kill").arg(pid.to_string()).status().await?;
        let status = self.process.wait().await?;
        ensure!(status.success(), "nova ended with {status}");
        std::fs::remove_dir_all(&self.home)?;
        Ok(())
    }
}

async fn channels_to(port: u16, count: usize) -> anyhow::Result<Vec<Channel>> {
    let mut channels = vec![];
    for _ in 0..count {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.tcp_nodelay(true);
        channels.push(endpoint.connect().await?);
    }
    Ok(channels)
}

pub async fn until_ready(port: u16) -> anyhow::Result<()> {
    for _ in 0..600 {
        if is_ready(port).await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("not ready after 60 s")
}

pub async fn is_ready(port: u16) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let request = b"GET /readyz HTTP/1.1\r\nhost: nova\r\nconnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request).await.is_ok()
        && stream.read_to_string(&mut answer).await.is_ok()
        && answer.starts_with("HTTP/1.1 200")
}
