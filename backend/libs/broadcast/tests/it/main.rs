//! What is sent by one replica is heard by the others and by nobody twice; and Redis may come and go.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use broadcast::{Broadcast, Heard};
use testkit::{ChaosProxy, TestRedis, Upstream, eventually};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(20);

struct Replica {
    broadcast: Broadcast,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Replica {
    fn new(url: &str, topic: &str) -> Self {
        let (broadcast, worker) = Broadcast::new(url, topic).unwrap();
        let (ear, heard) = mpsc::unbounded_channel();
        tokio::spawn(worker.run(move |what| drop(ear.send(what))));
        Self { broadcast, heard }
    }

    /// Connected, and nothing left to hear.
    async fn settled(&mut self) {
        eventually("it is connected", SOON, async || self.broadcast.is_connected().then_some(())).await;
        while self.heard.try_recv().is_ok() {}
    }

    async fn hears(&mut self) -> Heard {
        tokio::time::timeout(SOON, self.heard.recv()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn others_hear_what_is_sent_and_the_sender_does_not() {
    let redis = TestRedis::start().await;
    let mut replicas = [Replica::new(&redis.url(), "t"), Replica::new(&redis.url(), "t")];
    let mut stranger = Replica::new(&redis.url(), "another topic");
    for replica in &mut replicas {
        replica.settled().await;
    }
    stranger.settled().await;
    let [one, other] = &mut replicas;
    one.broadcast.notify(b"hello".to_vec());
    assert_eq!(other.hears().await, Heard::Notice(b"hello".to_vec()));
    other.broadcast.signal();
    assert_eq!(one.hears().await, Heard::Signal);
    // The answer came after one's own words would have.
    other.broadcast.notify(vec![]);
    assert_eq!(one.hears().await, Heard::Notice(vec![]));
    assert!(other.heard.try_recv().is_err() && stranger.heard.try_recv().is_err());
}

#[tokio::test]
async fn signals_that_pile_up_are_few_and_the_last_is_heard() {
    let redis = TestRedis::start().await;
    let mut replicas = [Replica::new(&redis.url(), "t"), Replica::new(&redis.url(), "t")];
    for replica in &mut replicas {
        replica.settled().await;
    }
    let [one, other] = &mut replicas;
    (0..10_000).for_each(|_| one.broadcast.signal());
    one.broadcast.notify(b"end".to_vec());
    let mut signals = 0;
    while other.hears().await != Heard::Notice(b"end".to_vec()) {
        signals += 1;
    }
    if signals == 0 {
        assert_eq!(other.hears().await, Heard::Signal);
    }
    assert!(signals < 100, "{signals}");
}

#[tokio::test]
async fn a_redis_that_comes_back_is_a_reason_to_look() {
    let mut redis = TestRedis::start().await;
    let mut replica = Replica::new(&redis.url(), "t");
    assert_eq!(replica.hears().await, Heard::Signal);
    redis.kill().await;
    eventually("the loss is noticed", SOON, async || (!replica.broadcast.is_connected()).then_some(())).await;
    replica.broadcast.notify(b"lost".to_vec());
    redis.restart().await;
    assert_eq!(replica.hears().await, Heard::Signal);
    assert!(replica.broadcast.is_connected());
}

#[tokio::test]
async fn a_redis_that_falls_silent_is_given_up() {
    let redis = TestRedis::start().await;
    let proxy = ChaosProxy::start(Upstream::Tcp(redis.address())).await;
    let mut replica = Replica::new(&format!("redis://{}", proxy.address), "t");
    replica.settled().await;
    proxy.freeze();
    eventually("the silence is noticed", SOON, async || (!replica.broadcast.is_connected()).then_some(())).await;
    proxy.mend();
    assert_eq!(replica.hears().await, Heard::Signal);
}

#[tokio::test]
async fn without_redis_everything_is_let_go() {
    let off = Broadcast::off();
    off.signal();
    off.notify(vec![1]);
    assert!(!off.is_connected());
    assert!(broadcast::check("redis://user:secret@127.0.0.1:6379/2").is_ok());
    assert!(broadcast::check("http://here").is_err() && broadcast::check("").is_err());
    let nobody_there = Replica::new("redis://127.0.0.1:1", "t");
    nobody_there.broadcast.signal();
    nobody_there.broadcast.notify(vec![1]);
    assert!(!nobody_there.broadcast.is_connected());
}
