//! Limits through the public surface: by a clock that the test moves, and over a real Redis.

mod redis;

use std::net::IpAddr;
use std::time::Duration;

use clock::{Clock, MockClock};
use errors::Classify;
use limits::{Class, Classes, Limiter, Rate, RateTable, Scope};
use uuid::Uuid;

const TABLE: RateTable = &[("Get", "calls"), ("Login", "login"), ("Search", "search")];

fn classes() -> Classes {
    Classes {
        calls: Class::new("calls").per_person(Rate::per_second(10).burst(20)).per_address(Rate::per_second(30)),
        special: vec![
            Class::new("login").per_address(Rate::per_minute(10)).per_account(Rate::per_minute(5)),
            Class::new("search").per_person(Rate::per_second(1).burst(3)),
        ],
    }
}

fn limiter() -> (Limiter, MockClock) {
    let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("valid");
    let (clock, hands) = Clock::mock(start);
    (Limiter::new("nova.test.v1.Test", TABLE, &classes(), 10_000, clock).expect("classes"), hands)
}

const ADA: Option<Uuid> = Some(Uuid::from_u128(1));
const BOB: Option<Uuid> = Some(Uuid::from_u128(2));

fn address(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

/// How many calls of an RPC are taken one after the other, of so many.
async fn taken(limiter: &Limiter, rpc: &'static str, person: Option<Uuid>, from: IpAddr, tries: usize) -> usize {
    let rpc = limiter.rpc(rpc);
    let mut taken = 0;
    for _ in 0..tries {
        taken += usize::from(limiter.admit(&rpc, person, from).await.is_ok());
    }
    taken
}

#[tokio::test]
async fn a_burst_is_taken_and_then_a_steady_rate() {
    let (limiter, hands) = limiter();
    assert_eq!(taken(&limiter, "Get", ADA, address(1), 100).await, 20);
    for _ in 0..50 {
        hands.advance(Duration::from_millis(100));
        assert_eq!(taken(&limiter, "Get", ADA, address(1), 10).await, 1);
    }
    hands.advance(Duration::from_secs(3600));
    assert_eq!(taken(&limiter, "Get", ADA, address(1), 100).await, 20, "an hour of rest is worth no more than a burst");
}

#[tokio::test]
async fn people_are_counted_apart_and_an_address_for_all_of_them() {
    let (limiter, _) = limiter();
    assert_eq!(taken(&limiter, "Get", ADA, address(1), 100).await, 20);
    assert_eq!(taken(&limiter, "Get", BOB, address(1), 100).await, 10, "the address has taken thirty");
    assert_eq!(taken(&limiter, "Get", None, address(1), 100).await, 0);
    assert_eq!(taken(&limiter, "Get", BOB, address(2), 100).await, 10, "what the address refused has cost Bob nothing");
    assert_eq!(taken(&limiter, "Get", None, address(2), 100).await, 20);
}

#[tokio::test]
async fn a_special_class_is_counted_besides() {
    let (limiter, _) = limiter();
    assert_eq!(taken(&limiter, "Search", ADA, address(1), 100).await, 3);
    assert_eq!(taken(&limiter, "Get", ADA, address(1), 100).await, 17);
    let limited = limiter.admit(&limiter.rpc("Search"), ADA, address(1)).await.expect_err("limited");
    assert_eq!((limited.limit, limited.scope), ("search", Scope::Caller));
}

#[tokio::test]
async fn an_account_is_counted_wherever_the_calls_come_from() {
    let (limiter, _) = limiter();
    for n in 0..5 {
        limiter.admit_account("Login", &[n / 5; 32]).await.expect("taken");
    }
    let limited = limiter.admit_account("Login", &[0; 32]).await.expect_err("limited");
    assert_eq!((limited.limit, limited.scope, limited.wait), ("login", Scope::Account, Duration::from_secs(12)));
    limiter.admit_account("Login", &[1; 32]).await.expect("another account");
}

#[tokio::test]
async fn who_waits_as_told_is_taken() {
    let (limiter, hands) = limiter();
    let login = limiter.rpc("Login");
    for _ in 0..100 {
        match limiter.admit(&login, None, address(1)).await {
            Ok(()) => {}
            Err(limited) => {
                hands.advance(limited.wait - Duration::from_micros(1));
                limiter.admit(&login, None, address(1)).await.expect_err("a moment too early");
                hands.advance(Duration::from_micros(1));
                limiter.admit(&login, None, address(1)).await.expect("taken");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_it_is_and_how_long_to_wait() {
    let (limiter, _) = limiter();
    assert_eq!(taken(&limiter, "Login", None, address(1), 11).await, 10);
    let limited = limiter.admit(&limiter.rpc("Login"), None, address(1)).await.expect_err("limited");
    let status = errors::status_of("auth.nova", &limited);
    testkit::assert_reason(&status, tonic::Code::ResourceExhausted, "RATE_LIMITED");
    let told = |key| errors::ErrorDetailsOf::reason_metadata(&status, key);
    assert_eq!((told("limit").as_deref(), told("scope").as_deref()), (Some("login"), Some("address")));
    assert_eq!(limited.wait, Duration::from_secs(6));
    assert!(!format!("{:?}", limited.class()).contains("192.0.2"), "nobody is told of the address");
}

#[tokio::test]
async fn calls_at_once_get_no_more_than_calls_one_after_the_other() {
    let (limiter, _) = limiter();
    let limiter = std::sync::Arc::new(limiter);
    let tasks: Vec<_> = (0..16u8)
        .map(|n| {
            let limiter = std::sync::Arc::clone(&limiter);
            tokio::spawn(async move { taken(&limiter, "Get", ADA, address(n), 100).await })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await.expect("no panic");
    }
    assert_eq!(all, 20);
}

#[tokio::test]
async fn a_limit_that_is_off_takes_everything() {
    assert_eq!(taken(&Limiter::off(), "Get", ADA, address(1), 10_000).await, 10_000);
}

#[test]
fn a_class_that_there_is_not_is_told_at_the_start() {
    let made = Limiter::new("nova.test.v1.Test", &[("Get", "gets")], &classes(), 10, Clock::system());
    assert_eq!(made.err().expect("refused").to_string(), "Get is of class gets, which has no limits");
}
