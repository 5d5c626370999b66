//! What a limit costs a call, without Redis: `cargo run --release --example cost -p limits`.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use clock::Clock;
use limits::{Class, Classes, Limiter, Rate};
use uuid::Uuid;

const CALLS: u32 = 1_000_000;
const TABLE: limits::RateTable = &[("Get", "calls"), ("Send", "send")];

fn limiter(rate: Rate) -> Arc<Limiter> {
    let classes = Classes {
        calls: Class::new("calls").per_person(rate).per_address(rate),
        special: vec![Class::new("send").per_person(rate)],
    };
    Arc::new(Limiter::new("nova.cost.v1.Cost", TABLE, &classes, 250_000, Clock::system()).expect("classes"))
}

/// Nanoseconds a call, and the share that was taken.
async fn measure(limiter: &Limiter, rpc: &'static str, people: u32) -> (f64, f64) {
    let rpc = limiter.rpc(rpc);
    let mut taken = 0;
    let began = Instant::now();
    for call in 0..CALLS {
        let n = call % people;
        let (person, address) =
            (Uuid::from_u128(u128::from(n) << 64 | 7), IpAddr::from((0x0A00_0000 + n).to_be_bytes()));
        taken += u32::from(black_box(limiter.admit(&rpc, Some(person), address).await).is_ok());
    }
    let nanos = began.elapsed().as_nanos() as f64 / f64::from(CALLS);
    (nanos, f64::from(taken) / f64::from(CALLS))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    println!("{:<42} {:>8} {:>8}", "", "ns/call", "taken");
    let show = |what: &str, (nanos, taken): (f64, f64)| println!("{what:<42} {nanos:>8.0} {:>7.1}%", taken * 100.0);
    let wide = Rate::per_second(1_000_000);
    show("off", measure(&Limiter::off(), "Get", 1).await);
    show("one person, two limits", measure(&limiter(wide), "Get", 1).await);
    show("one person, three limits", measure(&limiter(wide), "Send", 1).await);
    show("100,000 people, two limits", measure(&limiter(Rate::per_second(1_000)), "Get", 100_000).await);
    show("refused", measure(&limiter(Rate::per_minute(1)), "Get", 1).await);
    let shared = limiter(wide);
    let tasks = [1, 2].map(|_| {
        let limiter = Arc::clone(&shared);
        tokio::spawn(async move { measure(&limiter, "Get", 1_000).await })
    });
    for (n, task) in tasks.into_iter().enumerate() {
        show(&format!("1,000 people, two threads at once: {}", n + 1), task.await.expect("no panic"));
    }
}
