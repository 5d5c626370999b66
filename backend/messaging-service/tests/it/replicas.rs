//! Two replicas on one database: what is committed by one is told by the other.

use std::time::Duration;

use testkit::{TestRedis, eventually};

use crate::listening::{short, text_of};
use crate::world::World;

/// So rarely that a test that sees something within its patience was woken.
const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn two_people_on_two_replicas_talk_without_redis() {
    let world = World::new().await;
    let (here, there) = (world.start().await, world.start().await);
    let (alice, bob) = (world.person(&here), world.person(&there));
    let chat = alice.direct(&bob).await.unwrap();
    let (mut alices, mut bobs) = (alice.listen_after(&alice, &chat.id).await, bob.listen_after(&bob, &chat.id).await);
    alices.until("listening?").await;
    for n in 0..5 {
        let (question, answer) = (format!("q{n}"), format!("a{n}"));
        alice.send(&chat.id, &question).await.unwrap();
        assert_eq!(text_of(&bobs.next().await), Some(&*question));
        bob.send(&chat.id, &answer).await.unwrap();
        assert_eq!(alices.until(&answer).await.len(), 2);
        assert_eq!(text_of(&bobs.next().await), Some(&*answer));
    }
}

#[tokio::test]
async fn redis_wakes_the_other_replica_and_carries_typing() {
    let mut redis = TestRedis::start().await;
    let world = World::with(|config| {
        config.redis.url = redis.url().into();
        config.streams.poll = NEVER;
    })
    .await;
    let (here, there) = (world.start().await, world.start().await);
    let (alice, bob) = (world.person(&here), world.person(&there));
    let chat = alice.direct(&bob).await.unwrap();
    let admins = [&here, &there].map(|i| crate::world::client(i, testkit::As::token(&world.tokens.admin(alice.id))));
    let connected = async |wanted: bool| {
        for admin in &admins {
            eventually("Redis is there, or not", Duration::from_secs(20), async || {
                let stats = admin.clone().get_stream_stats(protos::messaging::v1::GetStreamStatsRequest {}).await;
                (stats.unwrap().into_inner().redis_connected == wanted).then_some(())
            })
            .await;
        }
    };
    connected(true).await;
    let mut bobs = bob.listen_after(&bob, &chat.id).await;
    alice.send(&chat.id, "woken").await.unwrap();
    assert_eq!(text_of(&bobs.next().await), Some("woken"));
    alice.type_in(&chat.id).await.unwrap();
    assert_eq!(short(&bobs.next().await), "typing");

    // Nothing is lost while Redis is away: its return is a reason to look.
    redis.kill().await;
    connected(false).await;
    alice.send(&chat.id, "unheard").await.unwrap();
    redis.restart().await;
    assert_eq!(text_of(&bobs.next().await), Some("unheard"));
    connected(true).await;
    alice.send(&chat.id, "woken again").await.unwrap();
    assert_eq!(text_of(&bobs.next().await), Some("woken again"));
}
