//! Replicas that share their limits, and a Redis that goes away.

use std::time::Duration;

use limits::Limiter;
use testkit::{ChaosProxy, TestRedis, Upstream, eventually};
use tokio::time::timeout;

use crate::{ADA, address, limiter, taken};

const PATIENCE: Duration = Duration::from_secs(10);

/// A replica of the service. Its clock stands still: what refills a bucket here is Redis's.
async fn replica(url: &str) -> Limiter {
    let replica = limiter().0.with_redis(url).expect("an address");
    timeout(PATIENCE, replica.connected()).await.expect("Redis answers");
    replica
}

async fn logins(limiter: &Limiter, account: u8, tries: usize) -> usize {
    let mut taken = 0;
    for _ in 0..tries {
        taken += usize::from(limiter.admit_account("Login", &[account; 32]).await.is_ok());
    }
    taken
}

/// Tries with one number after the other until there is an answer: Redis may be too slow for once on a busy machine, and then
/// each replica decides by itself until it is connected again.
async fn in_one_of_many<T>(replicas: [&Limiter; 2], what: &str, attempt: impl AsyncFn(u8) -> Option<T>) -> T {
    let mut numbers = 1..u8::MAX;
    eventually(what, PATIENCE, || {
        let (number, attempt) = (numbers.next().expect("few rounds"), &attempt);
        async move {
            for replica in replicas {
                timeout(PATIENCE, replica.connected()).await.expect("Redis answers");
            }
            attempt(number).await
        }
    })
    .await
}

#[tokio::test]
async fn replicas_take_together_what_one_may() {
    let redis = TestRedis::start().await;
    let (one, two) = (replica(&redis.url()).await, replica(&redis.url()).await);
    in_one_of_many([&one, &two], "five log-ins are taken", async |account| {
        let (by_one, by_two) = tokio::join!(logins(&one, account, 50), logins(&two, account, 50));
        assert!(by_one <= 5 && by_two <= 5, "{by_one} and {by_two}: each has a limit of its own besides");
        let limited = two.admit_account("Login", &[account; 32]).await.expect_err("limited");
        assert!(limited.wait > Duration::ZERO && limited.wait <= Duration::from_secs(12), "{:?}", limited.wait);
        (by_one + by_two == 5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_call_that_one_limit_refuses_costs_nothing_in_the_others() {
    let redis = TestRedis::start().await;
    let (one, two) = (replica(&redis.url()).await, replica(&redis.url()).await);
    in_one_of_many([&one, &two], "twenty calls are left", async |n| {
        let first = taken(&one, "Login", None, address(n), 10).await;
        // Refused by the script, not by what the second replica knows. Of thirty calls the log-ins that were taken cost ten.
        let second = taken(&two, "Login", None, address(n), 15).await;
        let third = taken(&two, "Get", None, address(n), 20).await;
        (first == 10 && second == 0 && third == 20).then_some(())
    })
    .await;
}

#[tokio::test]
async fn when_redis_is_killed_everybody_is_still_limited_and_nobody_gets_an_error() {
    let mut redis = TestRedis::start().await;
    let replica = replica(&redis.url()).await;
    assert_eq!(logins(&replica, 7, 3).await, 3);
    redis.kill().await;
    // Two, or three if Redis was too slow once and did not hear of one.
    let taken_after = logins(&replica, 7, 50).await;
    assert!((2..=3).contains(&taken_after), "what was taken before counts on: {taken_after}");
    assert_eq!(taken(&replica, "Get", ADA, address(1), 100).await, 20);

    redis.restart().await;
    let fresh = limiter().0.with_redis(&redis.url()).expect("an address");
    timeout(PATIENCE, fresh.connected()).await.expect("it is there again");
    // The old replica finds its way back: what it takes is known to the new one.
    // A bucket that a replica has seen full it does not ask about again.
    let mut rounds = 1_000_u128..;
    eventually("both share again", PATIENCE, || {
        let number = rounds.next().expect("few rounds").to_be_bytes();
        sharing(&replica, &fresh, [number, number].concat().try_into().expect("32 bytes"))
    })
    .await;
}

/// Whether what one takes is known to the other.
async fn sharing(one: &Limiter, other: &Limiter, account: [u8; 32]) -> Option<()> {
    one.admit_account("Login", &account).await.ok()?;
    let mut left = 0;
    while other.admit_account("Login", &account).await.is_ok() {
        left += 1;
    }
    (left == 4).then_some(())
}

#[tokio::test]
async fn a_redis_that_does_not_answer_holds_nobody_up() {
    let redis = TestRedis::start().await;
    let proxy = ChaosProxy::start(Upstream::Tcp(redis.address())).await;
    let replica = replica(&format!("redis://{}", proxy.address)).await;
    proxy.freeze();
    let calls = async { (logins(&replica, 7, 50).await, taken(&replica, "Get", ADA, address(1), 5_000).await) };
    let (logged_in, got) = timeout(PATIENCE, calls).await.expect("nobody waits for each call");
    assert_eq!((logged_in, got), (5, 20));
}
