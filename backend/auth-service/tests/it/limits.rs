//! How many calls are taken from whom. The clock stands still, so nothing is refilled unless a test lets time go by.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use auth_service::Config;
use errors::ErrorDetailsOf;
use futures::StreamExt;
use protos::auth::v1 as pb;
use testkit::{TestRedis, assert_reason, eventually};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::world::{PASSWORD, World, credentials, email, refresh, registration};

/// Limits at their defaults, behind a proxy that is believed.
fn limited(config: &mut Config) {
    config.rate_limits.enabled = true;
    config.listen.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
}

/// A request from one of millions of addresses.
fn from<T>(address: u32, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let address = Ipv4Addr::from(0x0A00_0000 + address).to_string();
    request.metadata_mut().insert("x-forwarded-for", address.parse().expect("a header"));
    request
}

fn assert_limited(status: &Status, limit: &str, scope: &str) {
    assert_reason(status, Code::ResourceExhausted, "RATE_LIMITED");
    let told = (status.reason_metadata("limit"), status.reason_metadata("scope"));
    assert_eq!(told, (Some(limit.to_owned()), Some(scope.to_owned())));
}

/// All that a client is told.
fn told(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let info = details.error_info().map(|info| (&info.reason, BTreeMap::from_iter(&info.metadata)));
    (status.code(), status.message().to_owned(), format!("{info:?} {:?}", details.retry_info()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_from_as_many_addresses_get_no_further_than_one_account_may() {
    let world = World::start_with(limited).await;
    world.nobody().register(from(1, registration("alice"))).await.expect("registered");
    world.nobody().register(from(1, registration("bob"))).await.expect("registered");

    let guess = |n: u32| {
        let mut client = world.nobody();
        async move {
            let status =
                client.login(from(1_000 + n, credentials("alice", "wrong password"))).await.expect_err("refused");
            status.reason().expect("a reason")
        }
    };
    let mut reasons = futures::stream::iter((0..10_000).map(guess)).buffer_unordered(64);
    let mut seen = BTreeMap::<String, usize>::new();
    let mut answers = 0;
    while let Some(reason) = reasons.next().await {
        *seen.entry(reason).or_default() += 1;
        answers += 1;
        if answers % 1_250 == 0 {
            world.nobody().login(from(2, credentials("bob", PASSWORD))).await.expect("Bob logs in meanwhile");
        }
    }
    let expected = [("ACCOUNT_LOCKED", 5), ("INVALID_CREDENTIALS", 5), ("RATE_LIMITED", 9_990)];
    assert_eq!(seen, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
}

#[tokio::test]
async fn a_name_that_nobody_has_is_limited_the_same() {
    let world = World::start_with(limited).await;
    world.nobody().register(from(1, registration("alice"))).await.expect("registered");
    let mut client = world.nobody();
    for attempt in 0..12 {
        let [hers, nobodys] = [("alice", 100), ("nobody", 200)].map(|(name, address)| {
            let mut client = client.clone();
            async move { client.login(from(address + attempt, credentials(name, "wrong password"))).await }
        });
        let (hers, nobodys) = (hers.await.expect_err("refused"), nobodys.await.expect_err("refused"));
        assert_eq!(told(&hers), told(&nobodys));
        if attempt >= 10 {
            assert_limited(&hers, "login", "account");
        }
    }
    // Not even the right password is looked at.
    let status = client.login(from(300, credentials("alice", PASSWORD))).await.expect_err("refused");
    assert_limited(&status, "login", "account");
}

#[tokio::test]
async fn who_guesses_at_many_names_is_stopped_by_the_address() {
    let world = World::start_with(limited).await;
    let guess = |n: u32, address: u32| {
        let mut client = world.nobody();
        async move { client.login(from(address, credentials(&format!("name{n}"), PASSWORD))).await.expect_err("refused") }
    };
    for n in 0..20 {
        assert_reason(&guess(n, 1).await, Code::Unauthenticated, "INVALID_CREDENTIALS");
    }
    let status = guess(20, 1).await;
    assert_limited(&status, "login", "address");
    assert_reason(&guess(20, 2).await, Code::Unauthenticated, "INVALID_CREDENTIALS");
    let wait = status.get_details_retry_info().and_then(|retry| retry.retry_delay).expect("a wait");
    assert_eq!(wait, Duration::from_secs(6));
    world.hands.advance(wait);
    assert_reason(&guess(21, 1).await, Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert_limited(&guess(22, 1).await, "login", "address");
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_chooses_their_address() {
    let world = World::start_with(|config| config.rate_limits.enabled = true).await;
    for n in 0..30 {
        world.nobody().register(from(n, registration(&format!("person{n}")))).await.expect("registered");
    }
    let status = world.nobody().register(from(30, registration("person30"))).await.expect_err("refused");
    assert_limited(&status, "register", "address");
}

#[tokio::test]
async fn nobody_is_flooded_with_mails() {
    let world = World::start_with(limited).await;
    world.nobody().register(from(1, registration("alice"))).await.expect("registered");
    for name in ["alice", "nobody"] {
        let ask = |n: u32, spelt: String| {
            let mut client = world.nobody();
            async move { client.request_password_reset(from(n, pb::RequestPasswordResetRequest { email: spelt })).await }
        };
        for n in 0..3 {
            ask(10 + n, email(name)).await.expect("taken");
        }
        let status = ask(20, email(name).to_uppercase()).await.expect_err("however it is spelt");
        assert_limited(&status, "reset", "account");
    }
}

#[tokio::test]
async fn tokens_of_mails_and_sessions_are_counted_by_themselves() {
    let world = World::start_with(limited).await;
    let alice = world.nobody().register(from(1, registration("alice"))).await.expect("registered").into_inner();
    let token = "A".repeat(43);
    for n in 0..5 {
        let verify = pb::VerifyEmailRequest { token: token.clone() };
        let status = world.nobody().verify_email(from(n, verify)).await.expect_err("no such token");
        assert_reason(&status, Code::FailedPrecondition, "ONE_TIME_TOKEN_INVALID");
    }
    let status = world.nobody().verify_email(from(9, pb::VerifyEmailRequest { token })).await.expect_err("limited");
    assert_limited(&status, "mail_token", "account");

    let token = alice.tokens.expect("tokens").refresh_token;
    for n in 0..20 {
        world.nobody().refresh_token(from(n, refresh(&token))).await.expect("the same successor");
    }
    let status = world.nobody().refresh_token(from(20, refresh(&token))).await.expect_err("limited");
    assert_limited(&status, "refresh", "account");
}

#[tokio::test]
async fn services_are_not_limited() {
    let world = World::start_with(|config| {
        limited(config);
        config.rate_limits.calls_per_address = "5/min".parse().expect("a rate");
    })
    .await;
    let mut service = world.service().await;
    for _ in 0..50 {
        let request = pb::GetUserByEmailRequest { email: email("nobody") };
        let status = service.get_user_by_email(request).await.expect_err("nobody");
        assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_limit_can_be_switched_off() {
    let world = World::start_with(|config| {
        limited(config);
        config.rate_limits.login_per_account = "off".parse().expect("a rate");
    })
    .await;
    for n in 0..12 {
        let status = world.nobody().login(from(n, credentials("nobody", PASSWORD))).await.expect_err("refused");
        let reason = if n < 5 { "INVALID_CREDENTIALS" } else { "ACCOUNT_LOCKED" };
        assert_eq!(status.reason().as_deref(), Some(reason));
    }
}

#[tokio::test]
async fn replicas_take_together_what_one_may_until_redis_dies_and_no_call_fails_of_it() {
    let mut redis = TestRedis::start().await;
    let url = redis.url();
    let world = World::start_with(|config| {
        limited(config);
        config.rate_limits.reset_per_address = "off".parse().expect("a rate");
        config.redis.url = url.as_str().into();
    })
    .await;
    let replica = world.replica().await;
    let ask = |name: String, on_replica: bool| {
        let mut client = if on_replica { replica.nobody() } else { world.nobody() };
        let request = pb::RequestPasswordResetRequest { email: email(&name) };
        async move { client.request_password_reset(from(7, request)).await }
    };
    // Redis may be too slow for once, and then each decides by itself; but not each time.
    let numbers = std::cell::Cell::new(0);
    let shared = async || {
        let number = numbers.replace(numbers.get() + 1);
        let mut taken = 0;
        for n in 0..8 {
            taken += usize::from(ask(format!("person{number}"), n % 2 == 0).await.is_ok());
        }
        assert!(taken <= 6, "{taken} of one e-mail: each replica has a limit of its own besides");
        (taken == 3).then_some(number)
    };
    let within = Duration::from_secs(20);
    let number = eventually("three of one e-mail are taken", within, &shared).await;
    redis.kill().await;
    for n in 0..8 {
        let status = ask(format!("person{number}"), n % 2 == 0).await.expect_err("limited");
        assert_limited(&status, "reset", "account");
    }
    let metrics = chassis::telemetry::metrics().render();
    for name in ["nova_rate_limited_total", "nova_rate_limiter_redis_fallback_total"] {
        assert!(metrics.contains(name), "{name} is not among the metrics");
    }
    redis.restart().await;
    eventually("three of one e-mail are taken again", within, &shared).await;
}
