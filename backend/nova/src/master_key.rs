//! `nova admin rotate-master-key`: another key from outside, while everything goes on.
//!
//! Each database has one key that everything else in it is sealed with; only that one is wrapped anew. Whoever runs already has it
//! in memory and notices nothing.

use std::path::Path;

use anyhow::{Context, bail};
use chassis::config::SecretName;
use chrono::{DateTime, Utc};
use pg::Pool;
use sealing::{MasterKey, MasterKeys, RootKey};

use crate::config::Config;

/// Wraps the root keys with the key in `file`, or, where Nova keeps the master key in its data folder, with a new one.
///
/// A rotation that was cut off is finished by the next: until then each start tries both keys.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn rotate(config: &mut Config, file: Option<&Path>, now: DateTime<Utc>) -> anyhow::Result<()> {
    let kept_here = keeps_its_own(config);
    let new = match file {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?,
        None if kept_here => config.data.make_next_master_key()?.expose().to_owned(),
        None => bail!(
            "the master key is configured, so Nova can't put another in its place: make one with `openssl rand -base64 32 \
             >FILE`, add it to auth.old_master_keys and messaging.old_master_keys of every service, restart them, and then run \
             this with --new-key-file FILE"
        ),
    };
    let new = MasterKey::from_base64(&new).context("the new master key")?;
    let others = |keys: MasterKeys| MasterKeys::new(new.clone(), keys.into_all());
    let auth = others(config.auth.master_keys().context("auth.master_key")?);
    let messaging = others(config.messaging.master_keys().context("messaging.master_key")?);
    let parts = [
        (auth_service::root::DATABASE, config.auth.database.pool_config("nova-admin"), auth),
        (messaging_service::DATABASE, config.messaging.database.pool_config("nova-admin"), messaging),
    ];
    for (database, pool, keys) in parts {
        let mut conn = Pool::new(pool)?.conn().await?;
        let done = RootKey::wrap_anew(&mut conn, &keys, database).await?;
        println!(
            "{database}: {}",
            if done { "wrapped with the new master key" } else { "was wrapped with it already" }
        );
    }
    match file {
        None => {
            let kept = config.data.adopt_next_master_key(now)?;
            println!("the master key of before is in {}: backups from before today need it", kept.display());
        }
        Some(_) => println!(
            "now set auth.master_key and messaging.master_key to the new key before anything starts again; the key of before \
             is needed for backups from before today"
        ),
    }
    Ok(())
}

/// Whether the master key is the one in the data folder.
fn keeps_its_own(config: &Config) -> bool {
    let path = config.data.secret_path(SecretName::MasterKey);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    [&config.auth.master_key, &config.messaging.master_key].iter().all(|key| key.expose() == text.trim())
}
