//! Peers of several addresses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rpc::{Bounds, Dial, Peer, Resolver};
use testkit::eventually;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::PATIENCE;
use crate::fake::{Fake, Mode, call, named};

fn often() -> Bounds {
    Bounds { resolve_every: Duration::from_secs(1), ..Bounds::default() }
}

#[tokio::test]
async fn calls_go_to_all_addresses_and_rather_to_those_that_are_quick() {
    let (quick, slow) = (Fake::start(Mode::Well).await, Fake::start(Mode::Well).await);
    let channel = named(&Arc::new(Mutex::new(vec![quick.at, slow.at])), PATIENCE, &Bounds::default());
    for _ in 0..60 {
        call(&channel).await.expect("it is well");
    }
    assert!(quick.calls() >= 10 && slow.calls() >= 10, "{} and {}", quick.calls(), slow.calls());

    slow.now(Mode::Silent);
    let before = slow.calls();
    let (busy, done) = (channel.clone(), Arc::new(Mutex::new(0)));
    let finished = Arc::clone(&done);
    let caught = tokio::spawn(async move {
        while let Err(_) | Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(100), call(&busy)).await {
            *finished.lock().expect("no panic") += 1;
        }
    });
    eventually("one waits there", PATIENCE, async || (slow.calls() > before).then_some(())).await;
    for _ in 0..50 {
        let _ = tokio::time::timeout(Duration::from_secs(5), call(&channel)).await;
    }
    caught.abort();
    assert!(slow.calls() - before < 10, "{} calls wait for who doesn't answer", slow.calls() - before);
}

#[tokio::test]
async fn an_address_where_nobody_listens_fails_no_call() {
    let well = Fake::start(Mode::Well).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    let channel = named(&Arc::new(Mutex::new(vec![well.at, nobody])), PATIENCE, &Bounds::default());
    for _ in 0..100 {
        call(&channel).await.expect("the other address is tried");
    }
    assert_eq!(well.calls(), 100);
}

#[tokio::test]
async fn an_address_that_answers_errors_is_left_alone_and_its_neighbour_is_not() {
    let (well, ill) = (Fake::start(Mode::Well).await, Fake::start(Mode::Fail(Status::unavailable("x"))).await);
    let channel = named(&Arc::new(Mutex::new(vec![well.at, ill.at])), PATIENCE, &Bounds::default());
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(call(&channel).await.is_err());
    }
    assert_eq!(failed, ill.calls());
    // Five that break the circuit, and probes: after 200 ms, 400 ms, 800 ms …
    assert!((5..=12).contains(&failed), "{failed} calls failed");
}

#[tokio::test]
async fn a_replica_that_appears_gets_calls_and_one_that_goes_ends_what_it_has_begun() {
    let (old, new) = (Fake::start(Mode::Well).await, Fake::start(Mode::Well).await);
    let found = Arc::new(Mutex::new(vec![old.at]));
    let channel = named(&found, PATIENCE, &often());
    call(&channel).await.expect("it is well");
    found.lock().expect("no panic").push(new.at);
    let arrives = async || {
        call(&channel).await.expect("both are well");
        (new.calls() > 0).then_some(())
    };
    eventually("the new one gets calls", PATIENCE, arrives).await;

    // One call waits at the old one while it goes.
    old.now(Mode::Silent);
    let before = old.calls();
    let (begun, waits) = (channel.clone(), async || (old.calls() > before).then_some(()));
    let waiting = tokio::spawn(async move {
        loop {
            call(&begun).await.expect("whoever it is answers")
        }
    });
    eventually("a call waits", PATIENCE, waits).await;
    *found.lock().expect("no panic") = vec![new.at];
    let alone = async || {
        let (before, mine) = (old.calls(), new.calls());
        for _ in 0..20 {
            call(&channel).await.expect("the new one is well");
        }
        (old.calls() == before && new.calls() == mine + 20).then_some(())
    };
    eventually("the old one gets no more calls", PATIENCE, alone).await;
    assert!(!waiting.is_finished(), "what is under way there is not cut off");
    waiting.abort();
}

#[tokio::test]
async fn a_name_that_nobody_knows_fails_at_once_and_is_looked_up_again() {
    let fake = Fake::start(Mode::Well).await;
    let found = Arc::new(Mutex::new(None::<SocketAddr>));
    let known = Arc::clone(&found);
    let resolver = Resolver::new(move |_, _| {
        let found = *known.lock().expect("no panic");
        async move { found.map(|at| vec![at]).ok_or_else(|| std::io::ErrorKind::NotFound.into()) }
    });
    let peer = Peer { url: "http://peers.test".to_owned(), dial: Dial::Plain, timeout: PATIENCE };
    let bounds = Bounds { resolve_every: PATIENCE, ..Bounds::default() };
    let channel = peer.open_with("user", &bounds, resolver).expect("an address");
    assert_eq!(call(&channel).await.expect_err("nowhere").code(), Code::Unavailable);
    *found.lock().expect("no panic") = Some(fake.at);
    eventually("it is found", PATIENCE, async || call(&channel).await.ok()).await;
}
