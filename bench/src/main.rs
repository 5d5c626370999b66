//! Measures Nova's hot paths beside what the machine could do at best, in one run, so that the ratio holds elsewhere.
//!
//! Loopback only, bounded in count and time. Load is a closed loop: so many calls in flight, each followed by the next; the
//! latency is that of a call under this load. What was written is checked afterwards: nothing lost, doubled or out of order.

mod backup;
mod chaos;
mod data;
mod limits;
mod load;
mod nova;
mod rest;
mod rolling;
mod streams;
mod users;
mod work;

use std::pin::Pin;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::data::Data;
use crate::load::{Load, Report};
use crate::nova::Nova;
use crate::streams::Spelling;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts a Nova on a data folder of its own, measures it, and prints a table.
#[derive(Parser)]
struct Cli {
    /// Calls in flight.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Connections that they share.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Seconds for each measurement, after one second of warming up.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measures only that whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Measures streams of events: how late they are, in one process and across replicas, and what idle ones cost.
    Streams {
        /// Sends a second while others listen.
        #[arg(long, default_value_t = 1000)]
        per_second: u32,
        /// Idle streams that are held.
        #[arg(long, default_value_t = 10_000)]
        idle: usize,
    },
    /// Measures how long after BlockUser has answered a replica still takes messages, with the bus and without.
    Blocks {
        /// Over Kafka instead of the log in PostgreSQL.
        #[arg(long)]
        kafka: bool,
    },
    /// Kills services and the bus at random under load, and holds what a consumer was told against the databases.
    Chaos(chaos::Play),
    /// Backs up under load, restores elsewhere, and holds what is there against what was acknowledged.
    Backup {
        /// Seconds of load before the backup.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Replaces replicas one after another under load, as Kubernetes does, and fails if a call does.
    Rolling(rolling::Play),
    /// Measures profiles that are read and written over two replicas while Redis is killed and comes back.
    Caches,
    /// Serves fixed replies: the limit that the gRPC library sets. Used by the measurement itself.
    #[command(hide = true)]
    Bare,
}

/// A measurement that has not begun.
type Measured<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Report>> + 'a>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // What was started ends with what started it, which is dropped; a signal alone would leave it running.
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        done = run(Cli::parse()) => done,
        _ = term.recv() => anyhow::bail!("stopped by SIGTERM"),
        _ = int.recv() => anyhow::bail!("stopped by SIGINT"),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let load = Load { in_flight: cli.in_flight, connections: cli.connections, time: Duration::from_secs(cli.seconds) };
    match cli.command {
        Some(Command::Blocks { kafka }) => return chaos::measure_blocks(kafka).await,
        Some(Command::Chaos(play)) => return chaos::run(play).await,
        Some(Command::Backup { seconds }) => return backup::run(seconds).await,
        Some(Command::Rolling(play)) => return rolling::run(play).await,
        Some(Command::Bare) => return limits::serve_bare().await,
        Some(Command::Streams { per_second, idle }) => return measure_streams(&load, per_second, idle).await,
        Some(Command::Caches) => return measure_caches(&load).await,
        None => {}
    }
    println!("{} calls in flight over {} connections, {} s each\n", load.in_flight, load.connections, cli.seconds);
    println!("| work | per second | p50 ms | p99 ms | errors |\n|---|---:|---:|---:|---:|");
    let measure = async |name: &str, report: Measured<'_>| {
        if name.contains(&cli.only) {
            println!("| {name} | {} |", report.await?);
        }
        anyhow::Ok(())
    };

    measure("limit: bare tonic, the same profile", Box::pin(limits::bare_tonic(&load, None))).await?;
    let nova = Nova::start().await?;
    measure("limit: one INSERT a commit, 32 connections", Box::pin(limits::inserts(&load, &nova))).await?;
    let data = Data::make(&nova).await?;
    measure("limit: bare tonic, a token in each request", Box::pin(limits::bare_tonic(&load, Some(&data)))).await?;
    measure("GetUserProfile", Box::pin(work::profiles(&load, &nova, &data))).await?;
    measure("GetUserProfilesByIds (50)", Box::pin(work::batches(&load, &nova, &data))).await?;
    measure("SendMessage, direct", Box::pin(work::sends(&load, &nova, &data, true))).await?;
    measure("SendMessage, groups", Box::pin(work::sends(&load, &nova, &data, false))).await?;
    let many = Load { in_flight: 256, ..load.clone() };
    measure("SendMessage, groups, 256 in flight", Box::pin(work::sends(&many, &nova, &data, false))).await?;
    measure("GetMessages (50)", Box::pin(work::pages(&load, &nova, &data))).await?;
    measure("ListConversations (20)", Box::pin(work::conversations(&load, &nova, &data))).await?;
    measure("GetUnreadCount (all)", Box::pin(work::unread(&load, &nova, &data))).await?;
    let checked = data.check(&nova).await?;
    println!("\n{checked} messages read back: numbered without a gap or a repeat, each acknowledged one there once");
    println!("memory of nova after the run: {} MiB", nova.resident_mib()?);
    nova.stop().await
}

async fn measure_caches(load: &Load) -> anyhow::Result<()> {
    println!("| profiles over two replicas | per second | p50 ms | p99 ms | errors |\n|---|---:|---:|---:|---:|");
    let mut nova = Nova::start_with_replica("user").await?;
    let data = Data::make(&nova).await?;
    println!("| with Redis | {} |", work::changing_profiles(load, &nova, &data).await?);
    nova.kill_redis().await?;
    println!("| Redis killed | {} |", work::changing_profiles(load, &nova, &data).await?);
    nova.restart_redis()?;
    println!("| Redis back | {} |", work::changing_profiles(load, &nova, &data).await?);
    nova.stop().await
}

async fn measure_streams(load: &Load, per_second: u32, idle: usize) -> anyhow::Result<()> {
    println!(
        "{per_second} sends a second for {:?}, open loop; 64 people listen, each to two conversations\n",
        load.time
    );
    println!(
        "| listening at | sends/s | ack p50 ms | ack p99 ms | told p50 ms | told p99 ms |\n|---|---:|---:|---:|---:|---:|"
    );
    let mut nova = Nova::start_with_replica("messaging").await?;
    let data = Data::make(&nova).await?;
    let (here, there) = (nova.channels(load.connections).await?, nova.replica_channels(load.connections).await?);
    println!("| the same process | {} |", streams::lateness(load, &nova, &here, &data, per_second).await?);
    println!("| another replica, with Redis | {} |", streams::lateness(load, &nova, &there, &data, per_second).await?);
    nova.kill_redis().await?;
    println!(
        "| another replica, Redis killed | {} |",
        streams::lateness(load, &nova, &there, &data, per_second).await?
    );
    let checked = data.check(&nova).await?;
    println!("\nevery message was told exactly once; {checked} read back without a gap or a repeat\n");
    nova.stop().await?;

    println!(
        "| idle streams | memory before MiB | memory MiB | KiB a stream | CPU, % of a core |\n|---|---:|---:|---:|---:|"
    );
    for (name, spelling) in [("gRPC, 100 a connection", Spelling::Grpc), ("SSE, one a connection", Spelling::Sse)] {
        let nova = Nova::start().await?;
        let data = Data::make(&nova).await?;
        let held = streams::idle(&nova, &data.people, idle, spelling).await?;
        let each = (held.resident_mib - held.resident_before_mib) as f64 * 1024.0 / held.streams as f64;
        println!(
            "| {} × {name} | {} | {} | {each:.1} | {:.1} |",
            held.streams,
            held.resident_before_mib,
            held.resident_mib,
            held.cpu * 100.0
        );
        nova.stop().await?;
    }
    Ok(())
}
