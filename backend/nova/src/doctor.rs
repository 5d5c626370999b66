//! `nova doctor`: looks at everything that a start needs, and says of each fault what to do.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use chassis::config::ServiceConfig;
use clock::Clock;
use pg::{Pool, PoolConfig};
use sealing::MasterKey;
use standalone::{Options, Settings, Use};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::bus;
use crate::config::Config;

/// The machine's clock and the database's may differ by this much.
const MOST_SKEW: Duration = Duration::from_secs(2);
/// A certificate that ends sooner is a fault; a running nova warns of it, too.
const FEWEST_DAYS: i64 = 14;
/// How long a nova may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Report {
    faults: usize,
}

impl Report {
    fn good(&mut self, what: &str, text: impl std::fmt::Display) {
        println!("  ok     {what}: {text}");
    }

    fn bad(&mut self, what: &str, text: impl std::fmt::Display) {
        self.faults += 1;
        println!("  fault  {what}: {text}");
    }
}

/// Prints one line for each check.
///
/// # Errors
/// If not even the configuration file can be read.
pub async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    println!("nova {}\n", env!("CARGO_PKG_VERSION"));
    let mut settings = Settings::load(options, Use::Look)?;
    let mut config = Config::read(&mut settings);
    match settings.finish() {
        Ok(()) => report.good("configuration", "usable"),
        Err(faults) => report.bad("configuration", faults),
    }
    folder(&mut report, config.data.path());
    certificates(&mut report, &config);
    let running = ports(&mut report, &config).await;
    if MasterKey::from_base64(config.auth.master_key.expose()).is_ok() {
        report.good("master key", "usable");
    } else {
        report.bad("master key", "auth.master_key is not 32 bytes in base64; make one with `openssl rand -base64 32`");
    }
    match config.open_databases().await {
        Ok(managed) => {
            match &managed {
                Some(postgres) if !postgres.is_shared() => {
                    report.good("postgresql", format!("Nova's own in {}", config.data.postgres().display()))
                }
                Some(_) => report.good("postgresql", "the one that a running nova manages"),
                None => report.good("postgresql", "the configured server"),
            }
            databases(&mut report, &mut config, running).await;
            if let Some(postgres) = managed {
                postgres.stop().await;
            }
        }
        Err(error) => report.bad("postgresql", format!("{error:#}")),
    }
    println!();
    if report.faults == 0 {
        println!(
            "{}",
            if running { "nova runs, and nothing is wrong" } else { "nothing stands in the way of `nova serve`" }
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} to mend",
        if report.faults == 1 { "one fault".to_owned() } else { format!("{} faults", report.faults) }
    );
    Ok(ExitCode::FAILURE)
}

fn folder(report: &mut Report, path: &Path) {
    let mut there = path;
    while !there.exists() {
        let Some(parent) = there.parent() else { break };
        there = parent;
    }
    let probe = there.join(format!(".nova-doctor-{}", std::process::id()));
    match std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => report.good("data folder", path.display()),
        Err(error) => report.bad(
            "data folder",
            format!("{} can't be written ({error}): run nova as its owner, or set NOVA_DATA_DIR", path.display()),
        ),
    }
}

/// Checks that every port is free, or that Nova itself has taken it; tells whether it has.
async fn ports(report: &mut Report, config: &Config) -> bool {
    // A file that can't be used is told of as what it is.
    let channel = config.front_door.channel(config.front_door.address());
    if let Ok(channel) = channel
        && answers(&channel).await
    {
        report.good("ports", format!("a nova already serves on {}", config.front_door.address()));
        return true;
    }
    let mut faults = vec![];
    let listens = [config.auth.listen(), config.user.listen(), config.messaging.listen()];
    let ops = listens.iter().filter_map(|listen| listen.ops).chain(config.front_door.ops);
    let own = listens.iter().flat_map(|listen| [listen.http(), listen.grpc()]);
    let addresses = own.chain(ops).chain([config.front_door.address()]);
    for address in addresses.filter(|a| a.port() != 0) {
        if let Err(error) = tokio::net::TcpListener::bind(address).await {
            faults.push(format!("{address} ({error})"));
        }
    }
    if faults.is_empty() {
        report.good("ports", "free");
    } else {
        report.bad(
            "ports",
            format!("taken: {}; stop what listens there, or set NOVA_<SERVICE>__LISTEN__…_PORT", faults.join(", ")),
        );
    }
    false
}

/// Whether a Nova is at the other end.
pub async fn answers(channel: &Channel) -> bool {
    let health = async { HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await };
    matches!(tokio::time::timeout(PATIENCE, health).await, Ok(Ok(_)))
}

/// What every port says of itself: TLS with which certificate, or plaintext.
fn certificates(report: &mut Report, config: &Config) {
    let services =
        [("auth", config.auth.listen()), ("user", config.user.listen()), ("messaging", config.messaging.listen())];
    let door = config.front_door.listen(config.auth.listen());
    for (section, listen) in [("front_door", &door)].into_iter().chain(services.map(|(name, listen)| (name, listen))) {
        let key = if section == "front_door" { "front_door.tls".to_owned() } else { format!("{section}.listen.tls") };
        match listen.tls.files().map(|files| tls::Server::open(&files)) {
            Some(Ok(server)) => certificate(report, &key, &server.certificate()),
            Some(Err(fault)) => report.bad(&key, format!("{:#}", anyhow::Error::new(fault))),
            None if listen.host.is_loopback() => report.good(&key, format!("none: plaintext on {}", listen.host)),
            None => report.good(&key, format!("none: plaintext on {}, behind a proxy that does TLS", listen.host)),
        }
    }
    for (section, peers) in
        [("auth", &config.auth.peers.tls), ("user", &config.user.peers.tls), ("messaging", &config.messaging.peers.tls)]
    {
        let key = format!("{section}.peers.tls");
        match peers.files().map(|files| tls::Client::open(&files)) {
            Some(Ok(client)) => match client.identity() {
                Some(identity) => certificate(report, &key, &identity),
                None => report.good(&key, "peers are checked, no certificate is shown to them"),
            },
            Some(Err(fault)) => report.bad(&key, format!("{:#}", anyhow::Error::new(fault))),
            None => {}
        }
    }
}

fn certificate(report: &mut Report, key: &str, certificate: &tls::Certificate) {
    let days = (certificate.expires_at - Clock::system().now()).num_days();
    let names = if certificate.names.is_empty() { "addresses alone".to_owned() } else { certificate.names.join(", ") };
    if days < FEWEST_DAYS {
        let at = certificate.expires_at.date_naive();
        report.bad(key, format!("the certificate for {names} ends on {at}: put a new one into its file"));
    } else {
        report.good(key, format!("certificate for {names}, good for {days} days"));
    }
}

async fn databases(report: &mut Report, config: &mut Config, running: bool) {
    for (name, pool, migrator) in config.schemas("doctor") {
        match pg::pending(&pool, migrator).await {
            Ok(0) => report.good(name, "answers and is up to date"),
            Ok(n) if running => report
                .bad(name, format!("{n} migrations are pending though nova runs: restart it, or run `nova migrate`")),
            Ok(n) => report
                .good(name, format!("answers; {n} migrations are applied by the next `nova serve` or `nova migrate`")),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|e| format!(": {e}")).unwrap_or_default();
                report.bad(name, format!("{error}{cause}; check its url and that the server runs"));
                continue;
            }
        }
        if let Ok(pool) = Pool::new(pool.clone())
            && let Ok(mut conn) = pool.conn().await
        {
            for standing in bus::standing(name, &mut conn, running).await {
                let what = format!("{name} events");
                if standing.is_fault { report.bad(&what, standing.text) } else { report.good(&what, standing.text) }
            }
        }
        if name == auth_service::root::DATABASE {
            clock_skew(report, pool).await;
        }
    }
}

async fn clock_skew(report: &mut Report, config: PoolConfig) {
    let theirs = async {
        let pool = Pool::new(config)?;
        let mut conn = pool.conn().await?;
        let at = sqlx::query_scalar::<_, sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>>(
            "SELECT clock_timestamp()",
        );
        Ok::<_, pg::Error>(at.fetch_one(&mut *conn).await?)
    };
    if let Ok(theirs) = theirs.await {
        let skew = (Clock::system().now() - theirs).abs().to_std().unwrap_or_default();
        if skew > MOST_SKEW {
            report.bad(
                "clock",
                format!("this machine and the database differ by {} s: set up NTP on both", skew.as_secs()),
            );
        } else {
            report.good("clock", "agrees with the database's");
        }
    }
}
