//! What a service needs before it can answer: its database, and the keys that tokens are checked with.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use authn::Verifier;
use futures::FutureExt;
use futures::future::BoxFuture;
use pg::{Migrator, Pool, PoolConfig};
use rpc::PeerChannel;
use tokio::time::Instant;

use crate::config::AcceptedTokens;
use crate::{Lifecycle, Wiring};

/// How often a database that does not answer is asked again before a service calls itself ready.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How long a start waits for the database.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the auth service is asked for keys and ended sessions. A session that has ended is refused everywhere within a
/// second: this leaves room for two failed tries.
const TOKEN_STATE_EVERY: Duration = Duration::from_millis(300);

/// Opens a service's database. Pending migrations are applied, or, without `migrate`, refused.
///
/// # Errors
/// If the database does not answer, a migration fails, or one is pending that may not be applied.
pub async fn open_database(config: PoolConfig, migrate: bool, migrator: &Migrator) -> anyhow::Result<Pool> {
    let name = config.application_name.clone();
    if let Some(host) = config.plaintext_host() {
        tracing::warn!(
            "the {name} service's database on {host} may be spoken to in plaintext: put ?sslmode=verify-full (or require) into \
             its address, unless something else encrypts the way"
        );
    }
    await_database(&name, &Pool::new(config.clone())?).await;
    if migrate {
        pg::migrate(&config, migrator)
            .await
            .with_context(|| format!("the {name} service's database can't be prepared"))?;
    } else {
        let pending = pg::pending(&config, migrator).await;
        let pending = pending.with_context(|| format!("the {name} service's database can't be read"))?;
        ensure!(pending == 0, "{pending} migrations of the {name} service are pending: run `nova migrate` first");
    }
    Ok(Pool::new(config)?)
}

/// Programs that are started together, database and services, come up in any order.
async fn await_database(name: &str, pool: &Pool) {
    let until = Instant::now() + PATIENCE;
    let mut told = false;
    while let Err(error) = pool.ping().await {
        if Instant::now() > until {
            return; // what comes next says why
        }
        if !told {
            tracing::warn!("the {name} service's database does not answer, waiting up to {PATIENCE:?}: {error}");
            told = true;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The verifier that the services of this process share, or one that follows the auth service.
pub fn verifier(wiring: &Wiring, tokens: &AcceptedTokens, auth: PeerChannel, life: &Lifecycle) -> Arc<Verifier> {
    if let Some(shared) = &wiring.verifier {
        return Arc::clone(shared);
    }
    let verifier = Arc::new(Verifier::new(life.clock(), tokens.issuer.as_str(), tokens.audience.as_str()));
    let fed = Arc::clone(&verifier);
    life.spawn_droppable("token-state", async move { rpc::follow_token_state(&fed, auth, TOKEN_STATE_EVERY).await });
    verifier
}

/// Resolves when each database has answered and tokens can be checked.
pub fn all_answer<const N: usize>(pools: [Pool; N], verifier: Arc<Verifier>) -> BoxFuture<'static, ()> {
    async move {
        for pool in pools {
            while pool.ping().await.is_err() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
        verifier.ready().await;
    }
    .boxed()
}
