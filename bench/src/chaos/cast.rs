//! The three services, each a process of its own, their PostgreSQL and their bus.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::config::Events;
use sqlx::{Connection, PgConnection};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

use crate::nova::{free_port, program, until_ready};

const SERVICES: [&str; 3] = ["auth", "user", "messaging"];
const BROKER: usize = SERVICES.len();
const BROKER_WITHIN: Duration = Duration::from_secs(30);

/// See the module.
pub struct Cast {
    home: PathBuf,
    /// Empty only while it is started again.
    postgres: Option<pgboot::Postgres>,
    services: [Service; 3],
    broker: Option<Broker>,
}

struct Service {
    name: &'static str,
    http: u16,
    grpc: u16,
    process: Child,
}

/// See [`Cast::replica`].
pub struct Replica {
    _process: Child,
    /// A channel to it.
    pub channel: Channel,
}

struct Broker {
    port: u16,
    process: Child,
}

impl Cast {
    /// What can be struck: the services, and what holds the bus.
    pub const VICTIMS: usize = SERVICES.len() + 1;

    /// Starts everything and waits until it answers.
    pub async fn start(kafka: bool) -> anyhow::Result<Self> {
        let home = std::env::temp_dir().join(format!("nova-chaos-{}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        let databases = ["nova_auth", "nova_user", "nova_messaging", "nova_keys", "nova_events", "chaos"];
        let options = pgboot::Options {
            databases: databases.map(str::to_owned).to_vec(),
            ..pgboot::Options::new(home.join("postgres"))
        };
        let postgres = pgboot::Postgres::start(&options).await?;
        let broker = match kafka {
            true => Some(Broker::start(&home).await?),
            false => None,
        };
        let ports = [(); 3].map(|()| (free_port(), free_port()));
        let mut services = vec![];
        for (name, (http, grpc)) in SERVICES.into_iter().zip(ports) {
            services.push((name, http?, grpc?));
        }
        let addresses: Vec<u16> = services.iter().map(|(.., grpc)| *grpc).collect();
        let mut running = vec![];
        for (name, http, grpc) in services {
            let process = spawn(name, http, grpc, &addresses, &home, &postgres.url("postgres"), broker.as_ref())?;
            running.push(Service { name, http, grpc, process });
        }
        let services = running.try_into().ok().context("three services")?;
        let cast = Self { home, postgres: Some(postgres), services, broker };
        cast.until_ready().await?;
        Ok(cast)
    }

    /// Waits until all services can answer.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        for service in &self.services {
            until_ready(service.http).await.with_context(|| service.name.to_owned())?;
        }
        Ok(())
    }

    /// Another messaging service on the same database, which the user service does not call: it is told of blocks by the bus alone.
    pub async fn replica(&self) -> anyhow::Result<Replica> {
        let (http, grpc) = (free_port()?, free_port()?);
        let addresses: Vec<u16> = self.services.iter().map(|service| service.grpc).collect();
        let process =
            spawn("messaging", http, grpc, &addresses, &self.home, &self.database("postgres"), self.broker.as_ref())?;
        until_ready(http).await?;
        Ok(Replica { _process: process, channel: channel_to(grpc)? })
    }

    /// Takes the bus away.
    pub async fn end_bus(&mut self) -> anyhow::Result<()> {
        match &mut self.broker {
            Some(broker) => Ok(broker.process.kill().await?),
            None => {
                let mut db = PgConnection::connect(&self.database("postgres")).await?;
                sqlx::raw_sql(
                    "ALTER DATABASE nova_events WITH ALLOW_CONNECTIONS false;
                     SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'nova_events'",
                )
                .execute(&mut db)
                .await?;
                Ok(())
            }
        }
    }

    /// A channel to a service that finds its way back.
    pub fn channel(&self, service: &str) -> anyhow::Result<Channel> {
        let service = self.services.iter().find(|s| s.name == service).context("no such service")?;
        channel_to(service.grpc)
    }

    /// The address of a database.
    pub fn database(&self, name: &str) -> String {
        self.postgres.as_ref().map(|postgres| postgres.url(name)).unwrap_or_default()
    }

    /// The bus, as a service is told of it.
    pub fn events(&self) -> Events {
        let mut events = Events::default();
        match &self.broker {
            Some(broker) => events.kafka.brokers = format!("127.0.0.1:{}", broker.port),
            None => events.database.url = self.database("nova_events").into(),
        }
        events
    }

    /// The names of what can be struck.
    pub fn victims(&self) -> [&'static str; Self::VICTIMS] {
        let bus = if self.broker.is_some() { "broker (frozen)" } else { "PostgreSQL" };
        [SERVICES[0], SERVICES[1], SERVICES[2], bus]
    }

    /// Kills it with `kill -9`: a service, or the PostgreSQL that holds all data and the log. The broker is frozen instead, as
    /// a host that vanishes: this one forgets what it has acknowledged when it ends (docs/EVENTS.md).
    pub async fn strike(&mut self, victim: usize) -> anyhow::Result<()> {
        match (victim, &self.broker) {
            (BROKER, Some(broker)) => broker.signal("-STOP").await,
            (BROKER, None) => {
                let postgres = self.postgres.as_mut().context("PostgreSQL runs")?;
                signal("-KILL", &postgres.pid().to_string()).await?;
                postgres.exited().await;
                Ok(())
            }
            _ => Ok(self.services[victim].process.kill().await?),
        }
    }

    /// Lets it go on, or starts it again where it was.
    pub async fn revive(&mut self, victim: usize) -> anyhow::Result<()> {
        if victim == BROKER {
            match &self.broker {
                Some(broker) => broker.signal("-CONT").await?,
                None => {
                    let ended = self.postgres.take().context("PostgreSQL ran")?;
                    self.postgres = Some(ended.restart().await?);
                }
            }
            return Ok(());
        }
        let addresses: Vec<u16> = self.services.iter().map(|service| service.grpc).collect();
        let Service { name, http, grpc, .. } = self.services[victim];
        let process =
            spawn(name, http, grpc, &addresses, &self.home, &self.database("postgres"), self.broker.as_ref())?;
        self.services[victim].process = process;
        Ok(())
    }

    /// Stops everything and removes its folder.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            service.process.kill().await?;
        }
        if let Some(mut broker) = self.broker.take() {
            broker.process.kill().await?;
        }
        if let Some(postgres) = self.postgres.take() {
            postgres.stop().await?;
        }
        std::fs::remove_dir_all(&self.home)?;
        Ok(())
    }
}

fn channel_to(port: u16) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    Ok(endpoint.tcp_nodelay(true).timeout(Duration::from_secs(5)).connect_lazy())
}

fn spawn(
    name: &str,
    http: u16,
    grpc: u16,
    addresses: &[u16],
    home: &std::path::Path,
    database: &str,
    broker: Option<&Broker>,
) -> anyhow::Result<Child> {
    let mut command = program(&format!("{name}-service"))?;
    let section = name.to_uppercase();
    command
        .env("NOVA_DATA_DIR", home)
        .env("DATABASE_URL", database)
        .env(format!("NOVA_{section}__LISTEN__HTTP_PORT"), http.to_string())
        .env(format!("NOVA_{section}__LISTEN__GRPC_PORT"), grpc.to_string());
    for (service, port) in SERVICES.into_iter().zip(addresses) {
        command.env(format!("{}_SERVICE_GRPC_URL", service.to_uppercase()), format!("http://127.0.0.1:{port}"));
    }
    match broker {
        Some(broker) => command.env("KAFKA_BROKERS", format!("127.0.0.1:{}", broker.port)),
        None => command.env_remove("KAFKA_BROKERS"),
    };
    let log = std::fs::OpenOptions::new().create(true).append(true).open(home.join(format!("{name}.log")))?;
    Ok(command.stderr(log).spawn()?)
}

impl Broker {
    async fn start(home: &std::path::Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let broker = Self { port, process: Self::spawn(port, home)? };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if begun.elapsed() > BROKER_WITHIN {
                bail!("the broker does not answer");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(broker)
    }

    fn spawn(port: u16, home: &std::path::Path) -> anyhow::Result<Child> {
        let installed = std::env::current_exe()?.with_file_name("../tools/bin/noida-db-server");
        let program = if installed.exists() { installed } else { "noida-db-server".into() };
        Command::new(program)
            .args(["start", "--only", "kafka", "--kafka-port", &port.to_string(), "--data-dir"])
            .arg(home.join("broker"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("a Kafka broker is needed: `make setup-tests` installs one")
    }

    async fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(name, &self.process.id().context("the broker runs")?.to_string()).await
    }
}

async fn signal(name: &str, pid: &str) -> anyhow::Result<()> {
    Command::new("kill").args([name, pid]).status().await?;
    Ok(())
}
