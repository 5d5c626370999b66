//! Measures Nova's hot paths beside what the machine could do at best, in one run, so that the ratio holds elsewhere.
//!
//! Loopback only, bounded in count and time. Load is a closed loop: so many calls in flight, each followed by the next; the
//! latency is that of a call under this load. What was written is checked afterwards: nothing lost, doubled or out of order.

mod data;
mod limits;
mod load;
mod nova;
mod work;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::data::Data;
use crate::load::{Load, Report};
use crate::nova::Nova;

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
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves fixed replies: the limit that the gRPC library sets. Used by the measurement itself.
    #[command(hide = true)]
    Bare,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Bare) = cli.command {
        return limits::serve_bare().await;
    }
    let load = Load { in_flight: cli.in_flight, connections: cli.connections, time: Duration::from_secs(cli.seconds) };
    println!("{} calls in flight over {} connections, {} s each\n", load.in_flight, load.connections, cli.seconds);
    println!("| work | per second | p50 ms | p99 ms | errors |\n|---|---:|---:|---:|---:|");
    let print = |name: &str, report: Report| println!("| {name} | {report} |");

    print("limit: bare tonic, the same profile", limits::bare_tonic(&load).await?);
    let nova = Nova::start().await?;
    print("limit: one INSERT a commit, 32 connections", limits::inserts(&load, &nova).await?);
    let data = Data::make(&nova).await?;
    print("GetUserProfile", work::profiles(&load, &nova, &data).await?);
    print("GetUserProfilesByIds (50)", work::batches(&load, &nova, &data).await?);
    print("SendMessage, direct", work::sends(&load, &nova, &data, true).await?);
    print("SendMessage, groups", work::sends(&load, &nova, &data, false).await?);
    let many = Load { in_flight: 256, ..load.clone() };
    print("SendMessage, groups, 256 in flight", work::sends(&many, &nova, &data, false).await?);
    print("GetMessages (50)", work::pages(&load, &nova, &data).await?);
    print("ListConversations (20)", work::conversations(&load, &nova, &data).await?);
    print("GetUnreadCount (all)", work::unread(&load, &nova, &data).await?);
    let checked = data.check(&nova).await?;
    println!("\n{checked} messages read back: numbered without a gap or a repeat, each acknowledged one there once");
    println!("memory of nova after the run: {} MiB", nova.resident_mib()?);
    nova.stop().await
}
