//! From a configuration to the limits of a service.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clock::Clock;
use limits::{Classes, Limiter, RateTable};
use tokio::time::timeout;

use crate::config::Redis;

/// How long a start waits for Redis, so that its first calls are counted where the other replicas' are.
const REDIS_WITHIN: Duration = Duration::from_secs(1);

/// The limits of `service` (its full name), shared with its replicas where there is a Redis; without classes every call is taken.
///
/// # Errors
/// If a row of the table names a class that there is not, or Redis's address can't be used.
pub async fn limiter(
    service: &'static str,
    table: RateTable,
    classes: Option<Classes>,
    max_keys: usize,
    redis: &Redis,
    clock: Clock,
) -> anyhow::Result<Arc<Limiter>> {
    let Some(classes) = classes else { return Ok(Arc::new(Limiter::off())) };
    let mut limiter = Limiter::new(service, table, &classes, max_keys, clock)?;
    if !redis.url.is_empty() {
        limiter = limiter.with_redis(redis.url.expose()).context("redis.url")?;
        // If it does not answer by then it is found later; what it is away for has been logged.
        let _ = timeout(REDIS_WITHIN, limiter.connected()).await;
    }
    Ok(Arc::new(limiter))
}
