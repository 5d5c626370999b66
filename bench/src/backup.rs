//! A backup that is taken under load and put back elsewhere: nothing that was acknowledged before it began is missing, and what is
//! there goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::nova::{Nova, command_on};
use crate::users::{Ports, Users};

/// Load after the backup: all of it is lost, as it has to be.
const AFTER: Duration = Duration::from_secs(2);
/// How long the bus may take to be told of everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays it with so many seconds of load before the backup.
pub async fn run(seconds: u64) -> anyhow::Result<()> {
    let place = std::env::temp_dir().join(format!("nova-bench-backups-{}", std::process::id()));
    let nova = Nova::start().await?;
    let users = Arc::new(Users::gather(Ports::one(nova.port())).await?);
    let stale = users.first_cursor(0).await?;
    let over = CancellationToken::new();
    let busy = Arc::clone(&users).be_busy(&over);
    tokio::time::sleep(Duration::from_secs(seconds)).await;

    let begun = Instant::now();
    let output = nova.command(&["backup", &place.to_string_lossy()])?.output().await?;
    let took = begun.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tokio::time::sleep(AFTER).await;
    over.cancel();
    for worker in busy {
        worker.await?;
    }
    let lived = users.read_all(Instant::now()).await?;
    let elsewhere = give_master_key(nova.home())?;
    nova.stop().await?;

    let begun_again = Instant::now();
    let restored = command_on(&elsewhere, &["restore", &newest(&place)?.to_string_lossy()])?.output().await?;
    ensure!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let restore_took = begun_again.elapsed();
    let nova = Nova::start_on(elsewhere).await?;
    let mut users = Arc::into_inner(users).context("everybody has stopped")?;
    users.move_to(Ports::one(nova.port()))?;
    let there = users.read_all(begun).await?;
    ensure!(there.iter().all(|(group, length)| *length <= lived[group]), "there are messages that never were");
    users.check_unread(&there).await?;
    ensure!(users.is_expired(0, &stale).await, "a cursor of the world that was lost is believed");
    users.go_on(&there).await?;
    let messages = there.values().sum::<i64>();
    let told = until_told(&nova, messages + there.len() as i64).await?;
    let checked = nova.command(&["admin", "reconcile", "--check"])?.output().await?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    let (answered, failures) = (users.seen.answered().0, users.seen.failures());
    println!("{answered} calls answered meanwhile, {failures} failed; the backup took {:.1} s", took.as_secs_f64());
    println!(
        "{messages} messages of {} restored in {:.1} s, the {} among them that were acknowledged before the backup began; numbers \
         without a gap, unread counts as many as there are",
        lived.values().sum::<i64>(),
        restore_took.as_secs_f64(),
        users.seen.acknowledged_before(begun),
    );
    println!("{told} messages on the bus, each once; sends and streams go on; a cursor of before has expired");
    ensure!(failures == 0, "{failures} calls failed");
    std::fs::remove_dir_all(place)?;
    nova.stop().await
}

/// Waits until the bus has been told of every message; tells of how many it has.
async fn until_told(nova: &Nova, messages: i64) -> anyhow::Result<i64> {
    let mut bus = PgConnection::connect(&nova.database("nova_events").await?).await?;
    let begun = Instant::now();
    loop {
        let told: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE type = 'nova.message.sent.v1'")
            .fetch_one(&mut bus)
            .await?;
        ensure!(told <= messages, "{told} messages were told of, but there are {messages}");
        if told == messages {
            return Ok(told);
        }
        ensure!(begun.elapsed() < PATIENCE, "{told} of {messages} messages were told of");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn give_master_key(from: &Path) -> anyhow::Result<PathBuf> {
    let elsewhere = from.with_extension("restored");
    std::fs::create_dir_all(elsewhere.join("secrets"))?;
    std::fs::copy(from.join("secrets/master.key"), elsewhere.join("secrets/master.key"))?;
    Ok(elsewhere)
}

fn newest(place: &Path) -> anyhow::Result<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(place)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    folders.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nova-2")));
    folders.sort();
    folders.pop().context("a backup")
}
