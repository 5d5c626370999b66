//! Three processes, their PostgreSQL and a bus, anything of which is killed at random while people are busy: in the end every change that was
//! committed has had exactly one effect in each consumer, in order within its aggregate (promise G8).

mod blocks;
mod cast;
mod crowd;
mod observer;
mod verdict;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use tokio_util::sync::CancellationToken;

pub use blocks::measure as measure_blocks;
use cast::Cast;
use crowd::Crowd;
use observer::Observer;

/// How long everything may take to arrive once nothing is killed any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest pause between two kills.
const CALM_MS: usize = 4000;
/// The longest time that something stays dead.
const DEAD_MS: usize = 1500;

/// What is played.
#[derive(Args, Clone, Copy, Debug)]
pub struct Play {
    /// Seconds of load.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Over Kafka (`noida-db-server`, which `make setup-tests` installs) instead of the log in PostgreSQL.
    #[arg(long)]
    kafka: bool,
}

/// Plays it, and fails if a change got lost, was told twice or out of order.
pub async fn run(play: Play) -> anyhow::Result<()> {
    let mut cast = Cast::start(play.kafka).await?;
    let crowd = Arc::new(Crowd::gather(&cast).await?);
    let mut observer = Observer::start(&cast).await?;
    let over = CancellationToken::new();
    let busy = crowd.clone().be_busy(over.clone());
    let until = Instant::now() + Duration::from_secs(play.seconds);
    let mut kills = [0usize; Cast::VICTIMS];
    let mut restarts = 0;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(roll(CALM_MS) as u64)).await;
        match roll(Cast::VICTIMS + 1) {
            Cast::VICTIMS => {
                observer.restart(&cast).await?;
                restarts += 1;
            }
            victim => {
                cast.strike(victim).await?;
                tokio::time::sleep(Duration::from_millis(roll(DEAD_MS) as u64)).await;
                cast.revive(victim).await?;
                kills[victim] += 1;
            }
        }
    }
    over.cancel();
    for worker in busy {
        worker.await?;
    }
    cast.until_ready().await?;
    let begun = Instant::now();
    let verdict = loop {
        match verdict::reach(&cast, &crowd).await? {
            Ok(verdict) => break verdict,
            Err(missing) if begun.elapsed() > PATIENCE => bail!("after {PATIENCE:?}: {missing}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    println!("{verdict}");
    println!("all had arrived {:.1} s after the end; {crowd}", begun.elapsed().as_secs_f64());
    let names = cast.victims();
    let killed: Vec<String> = names.iter().zip(kills).map(|(name, n)| format!("{name} {n}")).collect();
    println!("struck: {}; observer dropped {restarts} times", killed.join(", "));
    observer.stop();
    cast.stop().await
}

/// A number below `n`.
pub fn roll(n: usize) -> usize {
    (RandomState::new().hash_one(0) % n as u64) as usize
}
