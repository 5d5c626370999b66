//! Replicas that are replaced one after another under load, as Kubernetes does it: no call fails, no stream loses or repeats an
//! event, and what was acknowledged is there.

mod balancer;
mod fleet;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::users::Users;
use fleet::Fleet;

/// How long the last events may take to be told.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between the end of one replacement and the next: all is quiet for a moment.
const BREATH: Duration = Duration::from_millis(500);

/// What is played.
#[derive(Args, Clone, Copy, Debug)]
pub struct Play {
    /// Seconds of load. At least three replicas are replaced, one of each service.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Milliseconds for which a replica that ends goes on accepting (`listen.drain_delay`). Balancers need up to 2000 to notice: with
    /// less, calls must fail.
    #[arg(long, default_value_t = 3000)]
    drain_delay_ms: u64,
}

/// Plays it, and fails if anything did.
pub async fn run(play: Play) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_millis(play.drain_delay_ms)).await?;
    let users = Arc::new(Users::gather(fleet.ports()).await?);
    let missed_before = fleet.missed(); // the services looked for each other before they were there
    let (over, told) = (CancellationToken::new(), CancellationToken::new());
    let mut ears = vec![];
    for n in 0..users.listeners() {
        let cursor = users.first_cursor(n).await?;
        ears.push(Arc::clone(&users).listen(n, cursor, told.clone()));
    }
    let busy = Arc::clone(&users).be_busy(&over);
    let (begun, mut replaced, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(play.seconds) || replaced < fleet::SERVICES.len() {
        tokio::time::sleep(BREATH).await;
        slowest = slowest.max(fleet.replace(replaced).await?);
        replaced += 1;
    }
    let took = begun.elapsed();
    over.cancel();
    for worker in busy {
        worker.await?;
    }
    let lengths = users.read_all(Instant::now()).await?;
    let each_is_told_to = 2; // whose group it is, and the one beside them
    let expected = usize::try_from(lengths.values().sum::<i64>())? * each_is_told_to;
    let ended = Instant::now();
    while users.seen.told.load(Ordering::Relaxed) < expected && ended.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    told.cancel();
    for (n, ear) in ears.into_iter().enumerate() {
        let heard = ear.await?;
        for group in users.groups_of(n) {
            let numbers = heard.get(&group).map_or(&[][..], Vec::as_slice);
            let length = lengths[&group];
            ensure!(
                numbers.iter().copied().eq(1..=length),
                "a stream told {} of {length} messages, or not each once and in order",
                numbers.len()
            );
        }
    }
    let (answered, each) = users.seen.answered();
    println!("{answered} calls answered in {:.0} s: {each}", took.as_secs_f64());
    println!(
        "{replaced} of {} replicas replaced one after another, the slowest ended after {:.1} s; streams were taken up {} times and \
         told of {expected} messages, each once and in order; {} REST calls found the connection that they kept closed",
        fleet.replicas(),
        slowest.as_secs_f64(),
        users.seen.resumed.load(Ordering::Relaxed),
        users.seen.repeated.load(Ordering::Relaxed),
    );
    println!("{} messages are there, numbered without a gap", lengths.values().sum::<i64>());
    let (failures, missed) = (users.seen.failures(), fleet.missed() - missed_before);
    fleet.stop().await?;
    if failures + missed > 0 {
        bail!("{failures} calls failed, {missed} connections found nobody");
    }
    println!("no call failed");
    Ok(())
}
