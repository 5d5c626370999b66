//! What has to be done once the rows are back, and whether everything is there.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use pg::{Pool, PoolConfig};
use sealing::RootKey;

use crate::backup::TOOL;
use crate::backup::manifest::{Bus, Come, Manifest};
use crate::config::Config;

/// People that are looked at in one go.
const AT_ONCE: i64 = 1000;
/// What a consumer may have been behind with, when it comes to events of Kafka.
const BEHIND: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// Makes a world of its own of what was restored, and tells what is wrong with it.
///
/// # Errors
/// If a database fails or the master key is not theirs.
pub async fn finish(config: &Config, end_sessions: bool, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
    // Whole tables are read, and nobody waits for it.
    let pool = |database: &chassis::config::Database| {
        Pool::new(PoolConfig { statement_timeout: Duration::ZERO, ..database.pool_config(TOOL) })
    };
    let (auth, user) = (pool(&config.auth.database)?, pool(&config.user.database)?);
    let (messaging, keys) = (pool(&config.messaging.database)?, pool(&config.messaging.keys)?);
    let masters = config.auth.master_keys().context("auth.master_key")?;

    messaging_service::admin::begin_another_log(&mut *messaging.conn().await?).await?;
    println!("\ncursors of streams that were handed out before have expired: clients read anew");

    let (mut deleted, mut after) = (0, None);
    loop {
        let some = messaging_service::admin::forgotten(&mut *keys.conn().await?, after, AT_ONCE).await?;
        let Some(last) = some.last() else { break };
        after = Some(*last);
        deleted += auth_service::admin::delete_again(&mut *auth.conn().await?, &masters, &some, now).await?;
    }
    if deleted > 0 {
        println!("{deleted} accounts that were deleted after the backup are deleted again");
    }
    if end_sessions {
        let ended = auth_service::admin::end_all_sessions(&mut *auth.conn().await?, &masters, now).await?;
        println!("{ended} sessions are ended: everybody logs in again");
    }

    let mut faults = vec![];
    let masters = config.messaging.master_keys().context("messaging.master_key")?;
    let root = RootKey::open(&mut *messaging.conn().await?, &masters, messaging_service::DATABASE, None).await?;
    let found = messaging_service::admin::check_keys(&messaging, &keys, &root).await?;
    println!("keys: {} people's; {} authors have none", found.people, found.missing);
    if found.foreign > 0 {
        faults.push(format!("{} keys are of another installation: restore its own with --keys", found.foreign));
    }
    if found.missing > 0 {
        faults.push(format!("the texts of {} people can't be read: their keys are missing", found.missing));
    }
    let follows = user_service::admin::reconcile(&user, false).await?;
    println!("follows: {} counts compared, {} wrong", follows.compared, follows.drifts.len());
    let conversations = messaging_service::admin::reconcile(&messaging, false).await?;
    println!("conversations: {conversations}");
    if !(follows.drifts.is_empty() && conversations.is_clean()) {
        faults.push("some counts are wrong: run `nova admin reconcile`".to_owned());
    }
    Ok(faults)
}

/// Says what is different now.
pub fn tell(manifest: &Manifest, end_sessions: bool) {
    println!("\nrestored as of  {} (Nova {})", clock::rfc3339(manifest.at), manifest.nova);
    println!("What was done after that is gone. Passwords, second factors and roles are as they were then.");
    if !end_sessions {
        println!("Sessions that were ended since are alive again; --end-sessions would have ended all.");
    }
    if manifest.bus == Bus::Kafka {
        let since = clock::rfc3339(manifest.at - BEHIND);
        println!(
            "\nKafka is not in a backup. Before anything starts, have consumers act again on what it still holds:"
        );
        for Come { consumer, topic, partition, next } in &manifest.consumers {
            println!("  nova admin replay {consumer} --topic {topic} --offset {next} --partition {partition}");
        }
        if manifest.consumers.is_empty() {
            println!("(how far they had come was not known: take an earlier time if one was further behind)");
            for consumer in crate::bus::consumer_names() {
                println!("  nova admin replay {consumer} --since {since}");
            }
        } else {
            println!("Where Kafka no longer has such an offset, take the first that it has.");
        }
    }
}
